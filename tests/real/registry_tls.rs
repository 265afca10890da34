//! A registry on HTTPS, with a certificate of its own.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use expect_test::expect;
use windlass::registry::{Keychain, Options, Registry};

use crate::parts;

/// Debian's docker-registry; it ends with this value.
struct TlsRegistry {
    child: Child,
    folder: tempfile::TempDir,
    /// Host and port. The host is an address of this machine that does not look like one, so HTTPS is spoken.
    address: String,
}

impl Drop for TlsRegistry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl TlsRegistry {
    /// Starts one whose certificate says of itself whether it is an authority's.
    fn start(authority: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (key, certificate) = (at("key.pem"), at("certificate.pem"));
        let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let subject = format!("/CN=registry {port}");
        let name = ["-subj", &subject, "-addext", "subjectAltName=IP:0.0.0.0", "-addext", authority];
        let files = ["-keyout", &key, "-out", &certificate];
        let made = Command::new("openssl").args([&kind[..], &name, &files].concat()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let configuration = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\", tls: {{ certificate: {certificate}, key: {key} }} }}\n",
            at("data")
        );
        std::fs::write(at("config.yml"), configuration).unwrap();
        let mut child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(log.any(|line| line.unwrap().contains("listening on")), "docker-registry does not start");
        // What it says later has to go somewhere.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, folder, address: format!("0.0.0.0:{port}") }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }
}

/// Names the registry to the process that this test starts of itself.
const REGISTRY: &str = "WINDLASS_TEST_TLS_REGISTRY";

#[expect(clippy::disallowed_methods, reason = "the process was started with it")]
fn told_registry() -> Option<String> {
    std::env::var(REGISTRY).ok()
}

/// The system's certificates are what a process's environment says, so each outcome is that of another process.
#[tokio::test]
async fn a_certificate_is_trusted_where_the_system_trusts_it() {
    if let Some(address) = told_registry() {
        let registry = Registry::new(Options::new(Keychain::empty()), |retry| panic!("{retry:?}"));
        match registry.exists(&format!("{address}/app:1").parse().unwrap()).await {
            Ok(exists) => println!("\n> exists: {exists}"),
            Err(error) => println!("\n> {error}\n> {}", error.hint().unwrap_or_default()),
        }
        return;
    }
    let outcome = |address: &str, certificates: &Path| {
        let this = "registry_tls::a_certificate_is_trusted_where_the_system_trusts_it";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture"])
            .env(REGISTRY, address)
            .env("SSL_CERT_FILE", certificates)
            .env_remove("SSL_CERT_DIR")
            .env("http_proxy", "http://127.0.0.1:1")
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("> ")).collect();
        lines.join("\n").replace(address, "HOST")
    };
    let registry = TlsRegistry::start("basicConstraints=critical,CA:FALSE");
    let others = TlsRegistry::start("basicConstraints=critical,CA:FALSE");
    let authority = TlsRegistry::start("basicConstraints=critical,CA:TRUE");
    expect!["exists: false"].assert_eq(&outcome(&registry.address, &registry.certificate()));
    expect![[r#"
        looking up `HOST/app:1`: the answer of registry `HOST` is wrong: its certificate is from no authority that this machine trusts
    "#]]
    .assert_eq(&outcome(&registry.address, &others.certificate()));
    expect![[r#"
        looking up `HOST/app:1`: the answer of registry `HOST` is wrong: its certificate is an authority's own (`CA:TRUE`), which is not accepted of a server
    "#]].assert_eq(&outcome(&authority.address, &authority.certificate()));
    expect![[r#"
        looking up `HOST/app:1`: no connection to registry `HOST` can be prepared: No CA certificates were loaded from the system
        install `ca-certificates`, or name a file of certificates in `SSL_CERT_FILE`"#]].assert_eq(&outcome(&registry.address, Path::new("/nonexistent")));

    // Plain HTTP needs no certificates, so it works where there are none, as in an image from scratch; and what is on
    // this machine is reached past the proxy, which is down.
    expect!["exists: false"].assert_eq(&outcome(&parts::registry(), Path::new("/nonexistent")));
}
