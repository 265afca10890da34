//! A registry that goes wrong while images are pulled: nothing is touched, and the next run goes on.

use super::lab::{Lab, docker};
use super::registry_proxy::{RegistryProxy, Wrong};
use crate::parts;

/// An image in the registry that the engine does not have: its digest and its id. It is one of its own for each test and name.
pub(crate) fn pushed(lab: &Lab, name: &str) -> (String, String) {
    let path = format!("{}:{name}-{}", lab.project, std::process::id());
    let tag = format!("{}/{path}", parts::registry());
    let container = docker(&["create", lab.image("two")]);
    let id = docker(&["commit", "--message", &tag, &container, &tag]);
    docker(&["rm", &container]);
    docker(&["push", "--quiet", &tag]);
    let digest = docker(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &tag]);
    docker(&["rmi", "--force", &id]);
    (digest.split_once('/').unwrap().1.to_owned(), id)
}

fn check(name: &str, wrong: Wrong, exit: i32) {
    let lab = Lab::new(&format!("pull-{name}"));
    let web = |image: &str| format!(r#""web": {{"image": "{image}", "stop_grace": "0s"}}"#);
    lab.manifest(1, &web("one"));
    lab.apply();
    let serving = || lab.inspect("web", "{{.Id}} {{.State.StartedAt}}");
    let (before, since) = (serving(), lab.now());
    let proxy = RegistryProxy::start(&parts::registry());
    let (path, id) = pushed(&lab, "new");
    let reference = format!("{}/{path}", proxy.address);
    let entry = format!(r#""new": {{"id": "{id}", "content_hash": "{id}", "reference": "{reference}"}}"#);
    lab.manifest_with_images(2, &entry, &web("new"));
    proxy.answers(Some(wrong));
    let ran = lab.run(&["--timeout", if wrong == Wrong::Silent { "3s" } else { "10m" }, "apply"]);
    assert_eq!(ran.exit, Some(exit), "{name}: {ran:?}");
    assert_eq!((serving(), lab.events_since(&since)), (before, Vec::new()), "{name}: nothing was touched");
    proxy.answers(None);
    lab.apply();
    assert_eq!(lab.asks("web", "web"), "two", "{name}");
    let since = lab.now();
    lab.apply();
    assert_eq!((lab.events_since(&since), lab.containers().as_str()), (Vec::new(), "PROJECT-web running"), "{name}");
    docker(&["rm", "--force", &lab.name("web")]);
    docker(&["rmi", "--force", &id]);
}

#[test]
fn a_registry_that_goes_wrong_touches_nothing() {
    let all = [
        ("401", Wrong::Status(401), 1),
        ("404", Wrong::Status(404), 1),
        ("429", Wrong::Status(429), 3),
        ("500", Wrong::Status(500), 3),
        ("cut", Wrong::Cut, 3),
        ("other", Wrong::Other, 3),
        ("silent", Wrong::Silent, 124),
    ];
    std::thread::scope(|scope| {
        for (name, wrong, exit) in all {
            scope.spawn(move || check(name, wrong, exit));
        }
    });
}

#[test]
fn an_image_that_is_for_other_machines_touches_nothing() {
    let lab = Lab::new("pull-machines");
    let web = |image: &str| format!(r#""web": {{"image": "{image}", "stop_grace": "0s"}}"#);
    lab.manifest(1, &web("one"));
    lab.apply();
    let (path, id) = pushed(&lab, "new");
    let of_one = format!("{}/{path}", parts::registry());
    let index = format!("{}/{}:machines", parts::registry(), lab.project);
    docker(&["manifest", "create", "--insecure", "--amend", &index, &of_one]);
    docker(&["manifest", "annotate", "--os", "linux", "--arch", "arm64", &index, &of_one]);
    let digest = docker(&["manifest", "push", "--insecure", "--purge", &index]);
    let reference = format!("{}/{}@{}", parts::registry(), lab.project, digest.lines().last().unwrap());
    let entry = format!(r#""new": {{"id": "{id}", "content_hash": "{id}", "reference": "{reference}"}}"#);
    lab.manifest_with_images(2, &entry, &web("new"));
    let since = lab.now();
    let ran = lab.run(&["apply"]);
    assert_eq!(ran.exit, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("no matching manifest for linux/"), "{ran:?}");
    assert_eq!((lab.events_since(&since), lab.asks("web", "web").as_str()), (Vec::new(), "one"), "{ran:?}");
}
