//! Plans as jobs of CI services: which job builds what, after which, and how each service is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use windlass::ci::{Invocation, github, gitlab, travis};
use windlass::model::ImageName;
use windlass::plan::{Job, Jobs, Known, KnownImage, Packing, Plan, Verdict, decide, jobs};

use crate::sketch::{Sketch, project};

/// Reads `base:30 api<base:5 -old web<base,api`: images with what they are made from and the seconds that are recorded of
/// them; what has a `-` is there already.
fn world(text: &str) -> (Plan, BTreeMap<ImageName, Duration>) {
    let (mut sketches, mut known, mut times) = (Vec::new(), Known::new(), BTreeMap::new());
    for entry in text.split_whitespace() {
        let (head, seconds) = entry.split_once(':').unwrap_or((entry, ""));
        let (name, parents) = head.split_once('<').unwrap_or((head, ""));
        let is_there = name.starts_with('-');
        let name: ImageName = name.trim_start_matches('-').parse().unwrap();
        let copies = parents.split(',').filter(|parent| !parent.is_empty());
        let copies = copies.map(|parent| format!("COPY --from=shop/{parent} / /{parent}\n")).collect::<String>();
        sketches.push(Sketch::new(name.as_str(), &format!("FROM scratch\n{copies}")));
        known.insert(name.clone(), KnownImage { content: is_there, tested: is_there, ..KnownImage::default() });
        times.extend(seconds.parse().ok().map(|seconds| (name, Duration::from_secs(seconds))));
    }
    (decide(project(&sketches).unwrap(), &known, &BTreeSet::new()), times)
}

fn packed(text: &str, packing: Packing) -> Jobs {
    let (plan, times) = world(text);
    jobs(&plan, &times, packing)
}

const SINGLE: Packing = Packing::Single { at_most: 256 };

/// A line a job: its layer, its images, how long they take, and the numbers of the jobs that it waits for.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(text: &str, packing: Packing, expected: Expect) {
    let Jobs { jobs, n_guessed, guess } = packed(text, packing);
    let mut shown = String::new();
    for (number, Job { images, layer, needs, expected }) in jobs.iter().enumerate() {
        let images: Vec<&str> = images.iter().map(ImageName::as_str).collect();
        let needs = if needs.is_empty() { String::new() } else { format!(" after {needs:?}") };
        shown.push_str(&format!("{number}: layer {layer}: {} ({}s){needs}\n", images.join(" "), expected.as_secs()));
    }
    if n_guessed > 0 {
        shown.push_str(&format!("{n_guessed} guessed to take {}s\n", guess.as_secs()));
    }
    expected.assert_eq(&shown);
}

#[test]
fn a_job_an_image_waits_for_what_it_needs_and_no_more() {
    check(
        "base:10 -tools api<base,tools:20 web<base,api:30 docs:5 e2e<base,api,web:60",
        SINGLE,
        expect![[r#"
        0: layer 0: base (10s)
        1: layer 0: docs (5s)
        2: layer 1: api (20s) after {0}
        3: layer 2: web (30s) after {2}
        4: layer 3: e2e (60s) after {3}
    "#]],
    );
    check("-base -api<base", SINGLE, expect![""]);
    check(
        "a b c<a:7 d<b",
        SINGLE,
        expect![[r#"
        0: layer 0: a (7s)
        1: layer 0: b (7s)
        2: layer 1: c (7s) after {0}
        3: layer 1: d (7s) after {1}
        3 guessed to take 7s
    "#]],
    );
}

#[test]
fn a_layer_has_no_more_jobs_than_the_service_takes() {
    check(
        "a:9 b:8 c:3 d:3 e<a:1 f<b:1 g<c,d:5",
        Packing::Single { at_most: 2 },
        expect![[r#"
        0: layer 0: a d (12s)
        1: layer 0: b c (11s)
        2: layer 1: e f (2s) after {0, 1}
        3: layer 1: g (5s) after {0, 1}
    "#]],
    );
}

#[test]
fn shards_keep_together_what_is_not_gained_by_parting() {
    // Everything hangs together, and one job is all there is.
    check(
        "base:10 api<base:20 web<api:30",
        Packing::Shards(1),
        expect![[r#"
        0: layer 0: base api web (60s)
    "#]],
    );
    // A chain gains nothing by being parted, however many jobs there may be.
    check(
        "base:10 api<base:20 web<api:30",
        Packing::Shards(9),
        expect![[r#"
        0: layer 0: base api web (60s)
    "#]],
    );
    // Two families below one base: the base first, then a job each.
    check(
        "base:10 a<base:10 a1<a:5 a2<a:5 b<base:10 b1<b:5 b2<b:5",
        Packing::Shards(2),
        expect![[r#"
        0: layer 0: base (10s)
        1: layer 1: a a1 a2 (20s) after {0}
        2: layer 1: b b1 b2 (20s) after {0}
    "#]],
    );
    // What hangs together and is small stays together; the long ones are dealt first.
    check(
        "a:50 b:40 c:30 d:20 e:10 f<e:5 g<e,f:5",
        Packing::Shards(2),
        expect![[r#"
        0: layer 0: a d e f g (90s)
        1: layer 0: b c (70s)
    "#]],
    );
    check(
        "base:1 a<base:9 b<base:8 c<base:3 d<base:2 e<base",
        Packing::Shards(2),
        expect![[r#"
        0: layer 0: base (1s)
        1: layer 1: a e (12s) after {0}
        2: layer 1: b c d (13s) after {0}
        1 guessed to take 3s
    "#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is to be built is built once, after all that it needs, in as many jobs as are allowed.
    #[test]
    fn every_image_is_in_one_job_behind_its_parents(
        edges in proptest::collection::vec((0usize..20, 0usize..20), 0..50),
        times in proptest::collection::vec(0u64..100, 20),
        there in proptest::collection::vec(proptest::bool::weighted(0.2), 20),
        n in 1usize..7,
        shards in any::<bool>(),
    ) {
        let image = |i: usize| {
            let parents: BTreeSet<String> =
                edges.iter().filter(|(a, b)| *a.max(b) == i && a != b).map(|(a, b)| format!("i{}", a.min(b))).collect();
            let dash = if there[i] { "-" } else { "" };
            format!("{dash}i{i}<{}:{}", parents.into_iter().collect::<Vec<_>>().join(","), times[i])
        };
        let text = (0..20).map(image).collect::<Vec<_>>().join(" ");
        let (plan, times) = world(&text);
        let packing = if shards { Packing::Shards(n) } else { Packing::Single { at_most: n } };
        let Jobs { jobs, .. } = jobs(&plan, &times, packing);
        let mut done: BTreeMap<ImageName, usize> = BTreeMap::new();
        for (number, job) in jobs.iter().enumerate() {
            let mut behind = job.needs.clone();
            let mut waiting: Vec<usize> = behind.iter().copied().collect();
            while let Some(job) = waiting.pop() {
                prop_assert!(job < number, "a job waits for one that comes later");
                waiting.extend(jobs[job].needs.iter().filter(|need| behind.insert(**need)));
            }
            prop_assert!(behind.iter().all(|need| jobs[*need].layer < job.layer));
            for name in &job.images {
                let planned = plan.images.iter().find(|planned| planned.image.name == *name).unwrap();
                for parent in &planned.image.parents {
                    let parent_builds = plan.images.iter().any(|p| p.image.name == *parent && p.verdict != Verdict::Fresh);
                    if parent_builds {
                        let at = done.get(parent).copied();
                        prop_assert!(at.is_some_and(|at| at == number || behind.contains(&at)), "{} before {}", name, parent);
                    }
                }
                prop_assert_eq!(done.insert(name.clone(), number), None);
            }
        }
        prop_assert_eq!(done.len(), plan.to_build());
        let widest = (0..jobs.len()).map(|layer| jobs.iter().filter(|job| job.layer == layer).count()).max().unwrap_or(0);
        prop_assert!(widest <= n);
    }
}

const SHOP: &str = "base:10 db<base:3 httpd<base:4 web<base,httpd:5 worker<base,web:2";

fn invocation() -> Invocation {
    Invocation {
        global: vec!["-C".to_owned(), "examples/the shop".to_owned()],
        images: Vec::new(),
        build_args: vec!["--build-arg".to_owned(), "SOLD_OUT=no $".to_owned()],
    }
}

#[test]
fn github_takes_a_matrix_a_layer() {
    let pretty = |jobs: &Jobs| {
        let matrix: serde_json::Value = serde_json::from_str(&github::matrix(jobs)).unwrap();
        matrix.to_string().replace("{\"include\"", "\n{\"include\"") + "\n"
    };
    expect![[r#"
        {"layer-count":4,"layers":[
        {"include":[{"images":"base","name":"base","seconds":10}]},
        {"include":[{"images":"db","name":"db","seconds":3},{"images":"httpd","name":"httpd","seconds":4}]},
        {"include":[{"images":"web","name":"web","seconds":5}]},
        {"include":[{"images":"worker","name":"worker","seconds":2}]}]}
    "#]]
    .assert_eq(&pretty(&packed(SHOP, SINGLE)));
    expect![[r#"
        {"layer-count":2,"layers":[
        {"include":[{"images":"a","name":"a","seconds":5},{"images":"b c","name":"b and 1 more","seconds":7}]},
        {"include":[{"images":"d","name":"d","seconds":9}]}]}
    "#]]
    .assert_eq(&pretty(&packed("a:5 b:4 c:3 d<a,b:9", Packing::Shards(2))));
    expect![[r#"
        {"layer-count":0,"layers":[]}
    "#]]
    .assert_eq(&pretty(&packed("-a", SINGLE)));
}

#[test]
fn gitlab_takes_a_pipeline_with_the_true_needs() {
    expect![[r##"
        # Written by `windlass plan --format gitlab`.
        stages: ["layer 0", "layer 1", "layer 2", "layer 3", promote]

        .windlass: {}

        "build base":
          extends: .windlass
          stage: "layer 0"
          needs: []
          script:
            - "windlass -C 'examples/the shop' build base --push --no-promote --build-arg 'SOLD_OUT=no $'"

        "build db":
          extends: .windlass
          stage: "layer 1"
          needs: ["build base"]
          script:
            - "windlass -C 'examples/the shop' build db --push --no-promote --build-arg 'SOLD_OUT=no $'"

        "build httpd":
          extends: .windlass
          stage: "layer 1"
          needs: ["build base"]
          script:
            - "windlass -C 'examples/the shop' build httpd --push --no-promote --build-arg 'SOLD_OUT=no $'"

        "build web":
          extends: .windlass
          stage: "layer 2"
          needs: ["build httpd"]
          script:
            - "windlass -C 'examples/the shop' build web --push --no-promote --build-arg 'SOLD_OUT=no $'"

        "build worker":
          extends: .windlass
          stage: "layer 3"
          needs: ["build web"]
          script:
            - "windlass -C 'examples/the shop' build worker --push --no-promote --build-arg 'SOLD_OUT=no $'"

        promote:
          extends: .windlass
          stage: promote
          script:
            - "windlass -C 'examples/the shop' build --push --build-arg 'SOLD_OUT=no $'"
    "##]]
    .assert_eq(&gitlab::pipeline(&packed(SHOP, SINGLE), &invocation()));
    // Nothing is left but to promote, and a pipeline is never empty.
    expect![[r##"
        # Written by `windlass plan --format gitlab`.
        stages: [promote]

        .windlass: {}

        promote:
          extends: .windlass
          stage: promote
          script:
            - "windlass build --push"
    "##]]
    .assert_eq(&gitlab::pipeline(&packed("-a", SINGLE), &Invocation::default()));
    let many = (0..51).map(|n| format!("p{n} ")).collect::<String>();
    let all = (0..51).map(|n| format!("p{n}")).collect::<Vec<_>>().join(",");
    let pipeline = gitlab::pipeline(&packed(&format!("{many} all<{all}"), SINGLE), &Invocation::default());
    assert!(pipeline.contains("\"build all\":\n  extends: .windlass\n  stage: \"layer 1\"\n  script:"), "{pipeline}");
}

#[test]
fn travis_takes_stages() {
    expect![[r##"
        # Written by `windlass plan --format travis`.
        jobs:
          include:
            - stage: "layer 0"
              name: "base"
              script: "windlass -C 'examples/the shop' build base --push --no-promote --build-arg 'SOLD_OUT=no $'"
            - stage: "layer 1"
              name: "db"
              script: "windlass -C 'examples/the shop' build db --push --no-promote --build-arg 'SOLD_OUT=no $'"
            - stage: "layer 1"
              name: "httpd"
              script: "windlass -C 'examples/the shop' build httpd --push --no-promote --build-arg 'SOLD_OUT=no $'"
            - stage: "layer 2"
              name: "web"
              script: "windlass -C 'examples/the shop' build web --push --no-promote --build-arg 'SOLD_OUT=no $'"
            - stage: "layer 3"
              name: "worker"
              script: "windlass -C 'examples/the shop' build worker --push --no-promote --build-arg 'SOLD_OUT=no $'"
            - stage: "promote"
              name: "promote"
              script: "windlass -C 'examples/the shop' build --push --build-arg 'SOLD_OUT=no $'"
    "##]]
    .assert_eq(&travis::stages(&packed(SHOP, SINGLE), &invocation()));
}
