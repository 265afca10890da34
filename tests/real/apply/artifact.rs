//! Deploy manifests in a registry: put there by `build`, read by `apply`, and looked at by tools of others.

use std::fs;
use std::process::Command;

use expect_test::expect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::registry::{Keychain, Options, Registry};

use super::lab::{Lab, docker};
use super::registry_proxy::RegistryProxy;
use super::watch::{Watching, known, until};
use crate::parts;
use crate::registry_images::write_config;

/// What somebody else's program writes to standard output.
fn said(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A project with an image of its own, whose manifests go to a registry.
fn with_image(lab: &Lab, registry: &str) {
    let configuration = format!(
        "version: 1\nproject: {}\nregistry: {registry}\ndeploy:\n  containers:\n    web: {{ image: web, stop_grace: 0s }}\n",
        lab.project
    );
    fs::write(lab.path("windlass.yaml"), configuration).unwrap();
    fs::create_dir_all(lab.path("web")).unwrap();
    fs::copy(parts::BUSYBOX, lab.path("web/busybox")).unwrap();
    fs::write(lab.path("web/Dockerfile"), "FROM scratch\nCOPY busybox /bin/sleep\nCMD [\"/bin/sleep\", \"1000\"]\n")
        .unwrap();
}

#[test]
fn a_build_puts_the_manifest_into_a_registry_and_a_host_takes_it_from_there() {
    let lab = Lab::new("artifact");
    let registry = format!("{}/{}-{}", parts::registry(), lab.project, std::process::id());
    with_image(&lab, &registry);
    let (repository, address) = (format!("{registry}/deploy"), format!("oci://{registry}/deploy:main"));
    let build = ["build", "--push", "--manifest", &address];
    let ran = lab.run(&build);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let written = ran.stdout.lines().find_map(|line| line.strip_prefix("deploy manifest: ")).unwrap().to_owned();
    let written = written.replace("PROJECT", &lab.project);
    assert!(!lab.path("deploy.json").exists(), "it is in one place");

    let source = format!("docker://{repository}:main");
    let raw = said("skopeo", &["inspect", "--tls-verify=false", "--raw", &source]);
    let mut json: serde_json::Value = serde_json::from_slice(&raw).unwrap();
    let digest = json["layers"][0]["digest"].take();
    let blob = format!(
        "http://{}/v2/{}/blobs/{}",
        parts::registry(),
        repository.split_once('/').unwrap().1,
        digest.as_str().unwrap()
    );
    let text = said("curl", &["--fail", "--silent", &blob]);
    assert_eq!(json["layers"][0]["size"].take(), text.len());
    expect![[r#"
        {
          "artifactType": "application/vnd.windlass.deploy.v1+json",
          "config": {
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "mediaType": "application/vnd.oci.empty.v1+json",
            "size": 2
          },
          "layers": [
            {
              "annotations": {
                "org.opencontainers.image.title": "deploy.json"
              },
              "digest": null,
              "mediaType": "application/vnd.windlass.deploy.v1+json",
              "size": null
            }
          ],
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "schemaVersion": 2
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&json).unwrap());
    let found = said(
        "skopeo",
        &[
            "inspect",
            "--tls-verify=false",
            "--raw",
            &format!("docker://{repository}@{}", written.split_once('@').unwrap().1),
        ],
    );
    assert_eq!(found, raw, "the digest that was told is that of the artifact");

    let again = lab.run(&build);
    assert!(again.stdout.replace("PROJECT", &lab.project).contains(&written), "the same is put there: {again:?}");
    let ran = lab.run(&["apply", &address]);
    assert_eq!((ran.exit, lab.containers().as_str()), (Some(0), "PROJECT-web running"), "{ran:?}");
    let nothing = "nothing to do: the host runs serial 1 of `PROJECT`\n";
    assert_eq!(lab.run(&["apply", &written]).stdout, nothing, "by its digest");
    assert_eq!(lab.run(&["status", &address, "--exit-code"]).exit, Some(0));

    fs::write(lab.path("deploy.json"), text).unwrap();
    assert_eq!(lab.run(&["apply"]).stdout, nothing, "what curl fetched says the same");
    fs::write(lab.path("web/Dockerfile"), "FROM scratch\nCOPY busybox /bin/sleep\nCMD [\"/bin/sleep\", \"2000\"]\n")
        .unwrap();
    assert_eq!(lab.run(&build).exit, Some(0));
    let ran = lab.run(&["apply", &address]);
    assert!(ran.exit == Some(0) && ran.stdout.contains("serial 2"), "the next serial follows what is there: {ran:?}");
    let images = docker(&["image", "ls", "--quiet", "--filter", &format!("reference={registry}/*")]);
    docker(&["rm", "--force", &lab.name("web")]);
    docker(
        &[
            &["rmi", "--force"],
            images.lines().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().as_slice(),
        ]
        .concat(),
    );
}

#[test]
fn what_is_no_manifest_in_a_registry_is_refused() {
    let lab = Lab::new("artifact-bad");
    let registry = format!("{}/{}-{}", parts::registry(), lab.project, std::process::id());
    with_image(&lab, &registry);
    let plain = |ran: super::lab::Ran| {
        let text = format!("{}{}exit {}\n", ran.stderr, ran.stdout, ran.exit.unwrap());
        text.replace(&parts::registry(), "REGISTRY").replace(&format!("-{}", std::process::id()), "")
    };
    let address = |name: &str| format!("oci://{registry}/{name}");
    let tag = format!("{registry}/image:1");
    docker(&["tag", lab.image("one"), &tag]);
    docker(&["push", "--quiet", &tag]);
    docker(&["rmi", &tag]);
    let mut all = String::new();
    for args in [
        &["apply", &address("nothing:1")] as &[&str],
        &["apply", &address("image:1")],
        &["apply", "oci://acme/deploy"],
        &["apply", "oci://registry.example.com/Deploy"],
        &["--offline", "apply", &address("image:1")],
        &["build", "--push", "--manifest", &address("image:1")],
        &["build", "--manifest", &address("deploy:1")],
        &["build", "--push", "--manifest", &address(&format!("deploy@sha256:{}", "0".repeat(64)))],
    ] {
        all += &plain(lab.run(args));
    }
    fs::write(lab.path("more.env"), "A=1\n").unwrap();
    let configuration = fs::read_to_string(lab.path("windlass.yaml")).unwrap();
    let with_file = configuration.replace("stop_grace", "env_file: [more.env], stop_grace");
    fs::write(lab.path("windlass.yaml"), with_file).unwrap();
    all += &plain(lab.run(&["build", "--push", "--manifest", &address("deploy:1")]));
    expect![[r#"
        error: the registry has no deploy manifest `REGISTRY/PROJECT/nothing:1`
        hint: `windlass build --push --manifest oci://…` puts one there
        exit 2
        error: reading `REGISTRY/PROJECT/image:1`: the answer of registry `REGISTRY` is wrong: it has no file of type `application/vnd.windlass.deploy.v1+json`
        exit 1
        error: `oci://acme/deploy` does not begin with a registry
        hint: say which: `oci://registry.example.com/shop/deploy:main`
        exit 2
        error: `registry.example.com/Deploy` is no image reference: a repository is written in lower case
        exit 2
        error: `REGISTRY/PROJECT/image:1` can't be asked for with `--offline`
        exit 2
        error: reading `REGISTRY/PROJECT/image:1`: the answer of registry `REGISTRY` is wrong: it has no file of type `application/vnd.windlass.deploy.v1+json`
        exit 1
        error: who reads `REGISTRY/PROJECT/deploy:1` finds no images: they are not pushed
        hint: say `--push`
        exit 2
        error: `REGISTRY/PROJECT/deploy@sha256:0000000000000000000000000000000000000000000000000000000000000000` is named by its digest: nothing can be put there
        exit 2
        error: the container `web` takes `more.env` from beside the manifest, and in a registry nothing is
        hint: say `content` or `env` instead, or write the manifest to a file
        exit 2
    "#]].assert_eq(&all);
    assert_eq!(lab.containers(), "");
}

#[test]
fn a_registry_is_asked_for_no_more_than_digests_while_nothing_changes() {
    let lab = Lab::new("artifact-watch");
    let (host, user, password) = parts::registry_auth();
    let proxy = RegistryProxy::start(&host);
    let path = format!("{}-{}/deploy:main", lab.project, std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let push = |serial: u64, image: &str| {
        lab.manifest(
            serial,
            &format!(r#""web": {{"image": "{image}", "stop_grace": "0s", "update": {{"healthy_for": "0s"}}}}"#),
        );
        let text = fs::read(lab.path("deploy.json")).unwrap();
        fs::remove_file(lab.path("deploy.json")).unwrap();
        let file = lab.path("push.json");
        write_config(&file, &host, &user, &password);
        let registry = Registry::new(Options::new(Keychain::load(&file).unwrap()), |_| {});
        let (reference, media_type) =
            (format!("{host}/{path}").parse().unwrap(), "application/vnd.windlass.deploy.v1+json");
        runtime.block_on(registry.put_artifact(&reference, media_type, "deploy.json", &text)).unwrap();
    };
    push(1, "one");
    let mut watching =
        Watching(lab.start(&["apply", "--watch", "--interval", "50ms", &format!("oci://{}/{path}", proxy.address)]));
    until("it is refused", || proxy.n_asked() > 1);
    fs::create_dir(lab.path(".docker")).unwrap();
    // It is there whole at every moment.
    write_config(&lab.path(".docker/new"), &proxy.address, &user, &password);
    fs::rename(lab.path(".docker/new"), lab.path(".docker/config.json")).unwrap();
    let image = || known(&lab, "{{.Image}}");
    until("somebody logged in, and it is applied", || image() == lab.image("one"));
    proxy.asked();
    until("it looks again and again", || proxy.n_asked() >= 10);
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.starts_with("HEAD ")), "{asked:#?}");
    push(2, "two");
    until("the new one runs", || image() == lab.image("two"));
    let asked = proxy.asked();
    let read: Vec<_> = asked.iter().filter(|asked| !asked.starts_with("HEAD ")).collect();
    assert_eq!(read.len(), 2, "the manifest and its file were read once: {asked:#?}");
    kill(Pid::from_raw(watching.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(watching.0.wait().unwrap().code(), Some(0));
}
