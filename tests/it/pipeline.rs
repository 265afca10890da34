//! Driving a plan against an engine in memory: what is built, tested, named and blocked, and what a second run does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use windlass::diag::SourceText;
use windlass::engine::simulated::{SimulatedEngine, World};
use windlass::event::{NoSink, Outcome};
use windlass::hash::{Fingerprint, InputHash, argument};
use windlass::model::{ImageName, LABEL_CONTENT_HASH, LABEL_FINGERPRINT, Platform, Repository, Tag, TestSpec, Tree};
use windlass::pipeline::{Report, Run, drive, look_up};
use windlass::plan::{Image, Resolved, decide};

fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

/// Reads `base@1 api@2<base web@1<base,api`: images with what they are made of, and their parents.
fn resolved(text: &str) -> Resolved {
    let mut images: Vec<Box<Image>> = Vec::new();
    for entry in text.split_whitespace() {
        let (head, parents) = entry.split_once('<').unwrap_or((entry, ""));
        let (image, version) = head.split_once('@').unwrap_or((head, "0"));
        let parents: BTreeSet<ImageName> = parents.split(',').filter(|p| !p.is_empty()).map(name).collect();
        let made = |p: &ImageName| images.iter().find(|i| i.name == *p).unwrap().content_hash;
        let parents = parents.iter().map(|p| (p.clone(), made(p))).collect();
        images.push(Box::new(image_of(name(image), version, parents)));
    }
    Resolved { chosen: images.iter().map(|image| image.name.clone()).collect(), images, ..empty() }
}

fn empty() -> Resolved {
    let project = "test".parse().unwrap();
    Resolved { project, images: Vec::new(), chosen: Default::default(), notes: Vec::new(), warnings: Vec::new() }
}

fn image_of(name: ImageName, version: &str, parents: BTreeMap<ImageName, windlass::model::ContentHash>) -> Image {
    let mut bytes = [0; 32];
    bytes[..version.len()].copy_from_slice(version.as_bytes());
    let fingerprint = Fingerprint {
        dockerfile: InputHash::from_bytes([0; 32]),
        written: None,
        context: InputHash::from_bytes(bytes),
        named_contexts: BTreeMap::new(),
        args: BTreeMap::from([("NAME".to_owned(), argument("NAME", name.as_str()))]),
        platform: Platform::linux_amd64(),
        bases: BTreeMap::new(),
        remote_files: BTreeMap::new(),
        repositories: BTreeMap::new(),
        parents: parents.clone(),
        secrets: BTreeSet::new(),
        files: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    let content_hash = fingerprint.content_hash();
    let repository: Repository = format!("registry.test/{name}").parse().unwrap();
    let tag = |text: &str| text.parse::<Tag>().unwrap();
    let content = repository.with_tag(&tag(&format!("content-{}", &content_hash.digest().hex()[..16])));
    Image {
        layer: 0,
        testing: tag("testing"),
        latest: tag("latest"),
        previous: tag("previous"),
        tested: content.clone(),
        content,
        dockerfile: SourceText::new(format!("{name}/Dockerfile"), "FROM scratch\n"),
        context_root: PathBuf::from("/nonexistent"),
        context: Tree::default(),
        whole_context: None,
        named_contexts: BTreeMap::new(),
        injected: Vec::new(),
        context_names: BTreeSet::new(),
        used_args: BTreeMap::new(),
        target: None,
        args: BTreeMap::new(),
        platform: Platform::linux_amd64(),
        secrets: Vec::new(),
        references: Vec::new(),
        remote_files: Vec::new(),
        repositories: Vec::new(),
        frontend: None,
        git: None,
        parents: parents.into_keys().collect(),
        edges: Vec::new(),
        labels: BTreeMap::from([
            (LABEL_CONTENT_HASH.to_owned(), content_hash.to_string()),
            (LABEL_FINGERPRINT.to_owned(), fingerprint.to_label()),
        ]),
        fingerprint,
        content_hash,
        test: TestSpec { healthy_within: Some(Duration::from_secs(1)), ..TestSpec::default() },
        timeout: Duration::from_secs(60),
        retries: 0,
        repository,
        name,
    }
}

/// Looks up, decides and drives, as `windlass build` does.
async fn build(engine: &SimulatedEngine, resolved: Resolved, forced: &BTreeSet<ImageName>) -> Report {
    let known = look_up(resolved.lookups(), Some(engine), None).await.unwrap();
    let plan = decide(resolved, &known, forced);
    let run = Run {
        plan: &plan,
        engine,
        registry: None,
        push: false,
        secrets: &BTreeMap::new(),
        labels: &BTreeMap::new(),
        jobs: 2,
        promote: true,
        no_cache: false,
        ssh: &[],
        source_date_epoch: 0,
        events: &NoSink,
    };
    drive(&run).await
}

fn outcomes(report: &Report) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Built => "built".to_owned(),
        Outcome::Failed(failure) => format!("failed: {}", failure.message),
        Outcome::Blocked(by) => {
            format!("blocked by {}", by.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
    };
    report.outcomes.iter().map(|(name, outcome)| format!("{name} {}", word(outcome))).collect()
}

fn none() -> BTreeSet<ImageName> {
    BTreeSet::new()
}

#[tokio::test]
async fn the_first_run_builds_tests_and_promotes_and_the_second_does_nothing() {
    let engine = SimulatedEngine::default();
    let report = build(&engine, resolved("base api<base"), &none()).await;
    assert_eq!(outcomes(&report), ["api built", "base built"]);
    let content =
        |image: &str| engine.names().keys().find(|n| n.contains(&format!("{image}:content-"))).cloned().unwrap();
    let (base, api) = (content("base"), content("api"));
    let expected = [
        "build base",
        "test base",
        &format!("tag {base}"),
        "build api",
        "test api",
        &format!("tag {api}"),
        "tag registry.test/base:latest",
        "tag registry.test/api:latest",
    ];
    assert_eq!(engine.take_calls(), expected);

    let report = build(&engine, resolved("base api<base"), &none()).await;
    assert_eq!(outcomes(&report), ["api unchanged", "base unchanged"]);
    assert_eq!(engine.take_calls(), [""; 0]);
}

#[tokio::test]
async fn a_change_makes_the_former_latest_previous() {
    let engine = SimulatedEngine::default();
    build(&engine, resolved("base@1"), &none()).await;
    let first = engine.names()["registry.test/base:latest"];
    build(&engine, resolved("base@2"), &none()).await;
    assert_eq!(engine.names()["registry.test/base:previous"], first);
    assert_ne!(engine.names()["registry.test/base:latest"], first);
    // Going back to the former inputs builds nothing: what they make is there, tested.
    engine.take_calls();
    let report = build(&engine, resolved("base@1"), &none()).await;
    assert_eq!(outcomes(&report), ["base unchanged"]);
    assert_eq!(engine.take_calls(), ["tag registry.test/base:previous", "tag registry.test/base:latest"]);
    assert_eq!(engine.names()["registry.test/base:latest"], first);
}

#[tokio::test]
async fn a_failing_test_leaves_latest_alone_and_is_run_again_without_a_build() {
    let engine = SimulatedEngine::default();
    build(&engine, resolved("base@1"), &none()).await;
    let latest = engine.names()["registry.test/base:latest"];
    engine.set_world(World { failing: BTreeSet::from([name("base")]), ..World::default() });
    let report = build(&engine, resolved("base@2 api<base other"), &none()).await;
    assert_eq!(outcomes(&report), ["api blocked by base", "base failed: 1 of 1 tests failed", "other built"]);
    assert_eq!(engine.names()["registry.test/base:latest"], latest);
    assert!(!engine.names().contains_key("registry.test/other:latest"), "nothing is promoted unless all is green");

    engine.take_calls();
    engine.set_world(World::default());
    let report = build(&engine, resolved("base@2 api<base other"), &none()).await;
    assert_eq!(outcomes(&report), ["api built", "base built", "other unchanged"]);
    let calls = engine.take_calls();
    assert!(!calls.contains(&"build base".to_owned()), "{calls:?}");
    assert!(calls.contains(&"test base".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn what_is_forced_is_built_though_it_is_there() {
    let engine = SimulatedEngine::default();
    build(&engine, resolved("base other"), &none()).await;
    engine.take_calls();
    let report = build(&engine, resolved("base other"), &BTreeSet::from([name("base")])).await;
    assert_eq!(outcomes(&report), ["base built", "other unchanged"]);
    assert_eq!(engine.take_calls()[..2], ["build base", "test base"]);
}

#[tokio::test]
async fn an_engine_that_is_gone_is_told_apart_from_an_image_at_fault() {
    let engine = SimulatedEngine::default();
    engine.set_world(World { unreachable: BTreeSet::from([name("base")]), ..World::default() });
    assert!(build(&engine, resolved("base api<base"), &none()).await.unreachable);
    engine.set_world(World { broken: BTreeSet::from([name("base")]), ..World::default() });
    assert!(!build(&engine, resolved("base api<base"), &none()).await.unreachable);
}

/// Images `i0`, `i1`, …, each with parents among those before it, and which of them are broken or failing.
fn worlds() -> impl Strategy<Value = (String, BTreeSet<ImageName>, BTreeSet<ImageName>)> {
    let image = (proptest::collection::btree_set(0..8usize, 0..3), 0..6u8);
    proptest::collection::vec(image, 1..9).prop_map(|images| {
        let (mut text, mut broken, mut failing) = (String::new(), BTreeSet::new(), BTreeSet::new());
        for (i, (parents, luck)) in images.into_iter().enumerate() {
            let parents: Vec<String> = parents.into_iter().filter(|p| *p < i).map(|p| format!("i{p}")).collect();
            text.push_str(&format!(" i{i}<{}", parents.join(",")));
            match luck {
                0 => broken.insert(name(&format!("i{i}"))),
                1 => failing.insert(name(&format!("i{i}"))),
                _ => true,
            };
        }
        (text, broken, failing)
    })
}

proptest! {
    /// Every image ends; exactly what has a failed or blocked parent is blocked; no image is built before its
    /// parents are tested; and once the world is mended, one more run makes the rest and the next one nothing.
    #[test]
    fn any_world_ends_and_a_mended_one_converges((text, broken, failing) in worlds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let engine = SimulatedEngine::default();
            engine.set_world(World { broken: broken.clone(), failing: failing.clone(), ..World::default() });
            let images = resolved(&text).images;
            let report = build(&engine, resolved(&text), &none()).await;
            let calls = engine.take_calls();
            for image in &images {
                let lost = |p: &ImageName| matches!(report.outcomes[p], Outcome::Failed(_) | Outcome::Blocked(_));
                let is_blocked = matches!(report.outcomes[&image.name], Outcome::Blocked(_));
                assert_eq!(is_blocked, image.parents.iter().any(lost), "{}", image.name);
                let at = |call: String| calls.iter().position(|c| *c == call);
                if let Some(built) = at(format!("build {}", image.name)) {
                    for parent in &image.parents {
                        assert!(at(format!("test {parent}")).is_some_and(|tested| tested < built));
                    }
                }
            }
            let any_promoted = engine.names().keys().any(|n| n.ends_with(":latest"));
            assert_eq!(any_promoted, broken.is_empty() && failing.is_empty());

            engine.set_world(World::default());
            assert!(build(&engine, resolved(&text), &none()).await.all_green());
            engine.take_calls();
            assert!(build(&engine, resolved(&text), &none()).await.all_green());
            assert_eq!(engine.take_calls(), [""; 0]);
        });
    }
}
