//! Images made for the registries' tests, brought to a registry or an engine by skopeo, which is also the oracle.

use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// Images for these architectures of Linux, each with a label `for` that names it, in an OCI layout; more than one
/// make an index.
pub(crate) struct Images {
    layout: tempfile::TempDir,
}

impl Images {
    pub(crate) fn make(architectures: &[&str]) -> Self {
        Self::make_with(architectures, "")
    }

    /// The same with something more in every image, which tells it from another for the same architecture.
    pub(crate) fn make_with(architectures: &[&str], more: &str) -> Self {
        let layout = tempfile::tempdir().unwrap();
        fs::create_dir_all(layout.path().join("blobs/sha256")).unwrap();
        fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let images = Self { layout };
        let manifests: Vec<String> = architectures.iter().map(|name| images.put_image(name, more)).collect();
        let list = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, manifests.join(","));
        let top = if let [_] = architectures {
            list
        } else {
            let entry = images.put(INDEX, &list, "");
            format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#)
        };
        fs::write(images.layout.path().join("index.json"), top).unwrap();
        images
    }

    /// Copies to `target` in skopeo's words, `docker://…` or `docker-daemon:…`.
    pub(crate) fn copy_to(&self, target: &str, arguments: &[&str]) {
        let source = format!("oci:{}", self.layout.path().display());
        skopeo(&[&["copy", "--quiet", "--all"], arguments, &[&source, target]].concat());
    }

    fn put_image(&self, architecture: &str, more: &str) -> String {
        let content = format!("{architecture}{more}");
        let mut layer = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        layer.append_data(&mut header, "for", content.as_bytes()).unwrap();
        let layer = String::from_utf8(layer.into_inner().unwrap()).unwrap();
        let config = format!(
            r#"{{"os":"linux","architecture":"{architecture}","config":{{"Labels":{{"for":"{content}"}}}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            digest_of(layer.as_bytes())
        );
        let config = self.put("application/vnd.oci.image.config.v1+json", &config, "");
        let layer = self.put("application/vnd.oci.image.layer.v1.tar", &layer, "");
        let manifest =
            format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}]}}"#);
        let platform = format!(r#","platform":{{"os":"linux","architecture":"{architecture}"}}"#);
        self.put(MANIFEST, &manifest, &platform)
    }

    /// Stores a blob; returns its descriptor.
    fn put(&self, media_type: &str, text: &str, more: &str) -> String {
        let digest = digest_of(text.as_bytes());
        let name = digest.strip_prefix("sha256:").unwrap();
        fs::write(self.layout.path().join("blobs/sha256").join(name), text).unwrap();
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}{more}}}"#, text.len())
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What skopeo inspects at a reference, as bytes.
pub(crate) fn inspect(reference: &str, arguments: &[&str]) -> Vec<u8> {
    let source = format!("docker://{reference}");
    skopeo(&[&["inspect", "--tls-verify=false", "--raw"], arguments, &[&source]].concat())
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Writes a file of credentials for one registry, as `docker login` does.
pub(crate) fn write_config(file: &Path, registry: &str, user: &str, password: &str) {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    fs::write(file, format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#)).unwrap();
}

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
