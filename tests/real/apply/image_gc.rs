//! Images of former manifests go once nothing needs them: those that windlass pulled, and no others.

use std::fs;

use jiff::Timestamp;
use windlass::apply::History;
use windlass::apply::undo::Outcome;
use windlass::diag::SourceText;
use windlass::manifest;

use super::lab::{Lab, docker};
use super::proxy::{Fault, Proxy};
use super::pull_faults::pushed;
use crate::parts;

/// An image in the registry, which the engine does not have.
struct Image {
    name: String,
    reference: String,
    id: String,
}

impl Image {
    fn pushed(lab: &Lab, name: &str) -> Self {
        let (path, id) = pushed(lab, name);
        Self { name: name.to_owned(), reference: format!("{}/{path}", parts::registry()), id }
    }

    fn entry(&self) -> String {
        let Self { name, reference, id } = self;
        format!(r#""{name}": {{"id": "{id}", "content_hash": "{id}", "reference": "{reference}"}}"#)
    }
}

/// The names of those that the engine has.
fn there(images: &[Image]) -> Vec<&str> {
    let listed = docker(&["image", "ls", "--all", "--no-trunc", "--quiet"]);
    let is_there = |image: &&Image| listed.lines().any(|id| id == image.id);
    images.iter().filter(is_there).map(|image| image.name.as_str()).collect()
}

#[test]
fn images_of_former_manifests_go_once_nothing_needs_them() {
    let lab = Lab::new("image-gc");
    let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
    let names = ["first", "tagged", "theirs", "kept", "fifth", "sixth", "seventh", "eighth", "ninth"];
    let images = names.map(|name| Image::pushed(&lab, name));
    let tag = format!("windlass-test-apply:gc-{}", std::process::id());
    let address = proxy.address();
    let apply = |serial: usize| {
        let image = &images[serial - 1];
        let container = |name: &str, more: &str| {
            let of = &image.name;
            format!(r#""{name}": {{"image": "{of}", "stop_grace": "0s", "update": {{"healthy_for": "0s"}}{more}}}"#)
        };
        let mut containers = vec![container("web", "")];
        if image.name == "kept" {
            containers.push(container("stays", r#", "keep": true"#));
        }
        lab.manifest_with_images(serial as u64, &image.entry(), &containers.join(", "));
        lab.run(&["apply", "--keep-generations", "1", "--host", &address])
    };
    for serial in 1..=6 {
        if images[serial - 1].name == "theirs" {
            docker(&["tag", &images[1].id, &tag]);
            docker(&["pull", "--quiet", &images[2].reference]);
        }
        let ran = apply(serial);
        assert!(ran.exit == Some(0) && !ran.stderr.contains("warning"), "{ran:?}");
        assert_eq!(ran.stderr.contains("note: removed 1 image that nothing needs any more"), serial == 3, "{ran:?}");
    }
    proxy.arm(None);
    assert!(apply(6).stdout.starts_with("nothing to do"));
    assert_eq!(proxy.changes(), Vec::<String>::new());
    // What somebody named, or had before, or made a container from; and what the way back leads to.
    assert_eq!(there(&images), ["tagged", "theirs", "kept", "fifth", "sixth"]);
    let back = lab.run(&["--offline", "rollback", "--keep-generations", "1", "--host", &address]);
    assert_eq!(back.exit, Some(0), "{back:?}");
    assert_eq!(there(&images), ["tagged", "theirs", "kept", "fifth", "sixth"]);

    // An engine that does not remove an image fails nothing, and is asked again the next time.
    proxy.arm(None);
    assert_eq!(apply(7).exit, Some(0));
    assert_eq!(there(&images), ["tagged", "theirs", "kept", "fifth", "sixth", "seventh"]);
    proxy.arm(Some((proxy.changes().len() + 1, Fault::Refuse)));
    let ran = apply(8);
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    let why = "warning: images that nothing needs any more stay on the host: the engine does not feel like it\n";
    assert!(ran.stderr.contains(why), "{ran:?}");
    proxy.arm(None);
    assert_eq!(apply(9).exit, Some(0));
    assert_eq!(there(&images), ["tagged", "theirs", "kept", "eighth", "ninth"]);
    drop(proxy);
    docker(&["rm", "--force", &lab.name("web"), &lab.name("stays")]);
    for name in there(&images) {
        let image = images.iter().find(|image| image.name == name).unwrap();
        docker(&["rmi", "--force", &image.id]);
    }
}

#[test]
fn what_a_run_pulled_that_was_killed_goes_too() {
    let lab = Lab::new("image-gc-killed");
    let proxy = Proxy::start(&lab.path("engine.sock"), &lab.project);
    let image = Image::pushed(&lab, "pulled");
    let web =
        |of: &str| format!(r#""web": {{"image": "{of}", "stop_grace": "0s", "update": {{"healthy_for": "0s"}}}}"#);
    let address = proxy.address();
    let args = ["apply", "--keep-generations", "0", "--host", &address];
    lab.manifest_with_images(1, &image.entry(), &web("pulled"));
    proxy.arm(Some((1, Fault::KillAfter)));
    let mut child = lab.start(&args);
    proxy.victim_is(child.id());
    assert_eq!(child.wait().unwrap().code(), None);
    let images = [image];
    assert_eq!((there(&images), lab.containers().as_str()), (vec!["pulled"], ""));
    proxy.arm(None);
    assert_eq!(lab.run(&args).exit, Some(0));
    assert!(!proxy.changes().iter().any(|call| call.contains("/images/create")), "{:?}", proxy.changes());
    lab.manifest(2, &web("one"));
    let ran = lab.run(&args);
    assert_eq!((ran.exit, there(&images)), (Some(0), Vec::new()), "{ran:?}");
    assert!(ran.stderr.contains("note: removed 1 image that nothing needs any more"), "{ran:?}");
}

#[test]
fn what_the_way_back_of_another_project_leads_to_stays() {
    let lab = Lab::new("image-gc-other");
    let images = [Image::pushed(&lab, "both")];
    let web =
        |of: &str| format!(r#""web": {{"image": "{of}", "stop_grace": "0s", "update": {{"healthy_for": "0s"}}}}"#);
    let apply = || assert_eq!(lab.run(&["apply", "--keep-generations", "0"]).exit, Some(0));
    lab.manifest_with_images(1, &images[0].entry(), &web("both"));
    apply();
    // There it is of another repository, so that it is known by its id.
    let text = fs::read_to_string(lab.path("deploy.json")).unwrap().replace(&lab.project, "other");
    let other = manifest::parse(&SourceText::new("deploy.json", text)).unwrap();
    let history = History::new(&lab.state(), &other.project);
    history.make_folder().unwrap();
    history.record(&other, Timestamp::UNIX_EPOCH, Outcome::Done).unwrap();
    lab.manifest(2, &web("one"));
    apply();
    assert_eq!(there(&images), ["both"]);
    fs::remove_dir_all(history.folder()).unwrap();
    lab.manifest(3, &web("two"));
    apply();
    assert_eq!(there(&images), Vec::<&str>::new());
}
