//! What is built goes to registries and comes from them.

use windlass::engine::docker::Builder;
use windlass::engine::{Engine, Error};
use windlass::event::{Event, NoSink};
use windlass::model::Reference;
use windlass::registry::Keychain;

use crate::engine_build::{BOTH, Build, Events, connect, docker, engine, run};
use crate::parts;

#[tokio::test]
async fn what_is_pushed_is_what_skopeo_finds() {
    let mut build = Build::of("pushed", "FROM scratch\nCOPY x /\n");
    build.name = format!("{}/{}", parts::registry(), build.name);
    // Docker 20.10 stumbles over an image that one test makes while another takes its last name away.
    build.file("x", "pushed");
    build.read_tree();
    let engine = engine(Builder::Best).await;
    let built = build.run(&engine, &NoSink).await.unwrap();
    let events = Events::default();
    let reference: Reference = build.name.parse().unwrap();
    let digest = engine.push(&built.image, &reference, &events).await.unwrap();
    let found =
        run("skopeo", &["inspect", "--tls-verify=false", "--format={{.Digest}}", &format!("docker://{reference}")]);
    assert_eq!(found.trim(), digest.to_string());
    assert!(events.all().contains(&Event::Pushed { image: built.image, reference: reference.clone(), digest }));
    let stored = engine.find(&reference).await.unwrap().unwrap();
    assert_eq!(stored.repo_digests, [reference.repository().with_digest(digest)]);

    engine.untag(&reference).await.unwrap();
    engine.untag(&reference).await.unwrap();
    assert_eq!(engine.find(&reference).await.unwrap(), None);
    let by_digest = reference.repository().with_digest(digest);
    assert_eq!(engine.pull(&by_digest, &NoSink).await.unwrap().id, built.id);
    engine.tag(&built.id, &reference).await.unwrap();
    assert_eq!(engine.find(&reference).await.unwrap().unwrap().id, built.id);
    let gone: Reference = format!("{}/engine-nothing:1", parts::registry()).parse().unwrap();
    assert!(matches!(engine.pull(&gone, &NoSink).await, Err(Error::Refused(_))));
}

#[tokio::test]
async fn a_base_behind_a_password_is_pulled() {
    let (host, user, password) = parts::registry_auth();
    let auths = serde_json::json!({ "auths": { &host: { "username": user, "password": password } } });
    let keychain = Keychain::parse(&auths.to_string(), "config.json".as_ref()).unwrap();
    for builder in BOTH {
        let mut private = Build::of("private", "FROM scratch\nCOPY x /\n");
        private.name = format!("{host}/engine-private-{builder:?}").to_lowercase();
        private.file("x", &format!("private {builder:?}"));
        private.read_tree();
        let engine = connect(&parts::docker_host(), builder, keychain.clone()).await;
        let built = private.run(&engine, &NoSink).await.unwrap();
        let reference = private.name.parse().unwrap();
        engine.push(&built.image, &reference, &NoSink).await.unwrap();
        docker(&["rmi", &private.name]);

        let child = Build::of("private-child", &format!("\nFROM {}\nLABEL a=b\n", private.name));
        let stranger = connect(&parts::docker_host(), builder, Keychain::empty()).await;
        let error = child.run(&stranger, &NoSink).await.unwrap_err();
        assert!(matches!(error, Error::Image { line: Some(2), .. }), "{error:?}");
        child.run(&engine, &NoSink).await.unwrap();
    }
}
