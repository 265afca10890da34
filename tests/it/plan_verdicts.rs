//! Which images are built and why, from what is there.

use std::collections::BTreeSet;
use std::time::Duration;

use expect_test::{Expect, expect};
use schemars::Schema;
use windlass::hash::Fingerprint;
use windlass::model::{LABEL_CONTENT_HASH, LABEL_FINGERPRINT};
use windlass::plan::{Image, Known, KnownImage, Labelled, Plan, Resolved, decide};
use windlass::ui::{self, Color, plan_json, stale};

use crate::sketch::{Sketch, project};

/// `base`, `api` made from it, and `docs` beside both.
fn sketches() -> Vec<Sketch> {
    vec![
        Sketch::new("base", "FROM debian:12\nCOPY base /\n").file("base", "1"),
        Sketch::new("api", "FROM shop/base\nARG LEVEL\nCOPY api* /\n").file("api", "1").arg("LEVEL", "1"),
        Sketch::new("docs", "FROM scratch\nCOPY docs i* /\n").file("docs", "1"),
    ]
}

fn labelled(image: &Image) -> Labelled {
    Labelled::read(&image.all_labels()).unwrap()
}

/// Everything that is in the project is there, tested.
fn all_is_there(resolved: &Resolved) -> Known {
    let known = |image: &Image| {
        let latest = Some(labelled(image));
        (image.name.clone(), KnownImage { content: true, tested: true, latest, testing: None })
    };
    resolved.images.iter().map(|image| known(image)).collect()
}

/// What is there of an earlier state of the project: channels, but no tag of the new content.
fn former(resolved: &Resolved) -> Known {
    let known =
        |image: &Image| (image.name.clone(), KnownImage { latest: Some(labelled(image)), ..KnownImage::default() });
    resolved.images.iter().map(|image| known(image)).collect()
}

fn plan_since(before: &[Sketch], after: &[Sketch]) -> Plan {
    decide(project(after).unwrap(), &former(&project(before).unwrap()), &BTreeSet::new())
}

#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(plan: &Plan, expected: Expect) {
    expected.assert_eq(&ui::table(plan, Color::Never));
}

/// Checks the reasons alone: name by name, nothing for what is fresh.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check_change(change: impl FnOnce(&mut Vec<Sketch>), expected: Expect) {
    let mut after = sketches();
    change(&mut after);
    let plan = plan_since(&sketches(), &after);
    let line = |planned: &windlass::plan::PlannedImage| match &planned.verdict {
        windlass::plan::Verdict::Fresh => String::new(),
        windlass::plan::Verdict::Build(reasons) => format!("{}: {}\n", planned.image.name, ui::reasons(reasons)),
    };
    expected.assert_eq(&plan.images.iter().map(line).collect::<String>());
}

#[test]
fn what_was_never_built_is_built_and_what_is_there_is_not() {
    let resolved = project(&sketches()).unwrap();
    check(
        &decide(resolved.clone(), &Known::new(), &BTreeSet::new()),
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   build    4aa4138a2b59f472  never built
                0  docs   build    7c557cae5d77f238  never built
                1  api    build    c4506f49c9517008  never built

            3 images to build
        "#]],
    );
    let known = all_is_there(&resolved);
    check(
        &decide(resolved, &known, &BTreeSet::new()),
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   fresh    4aa4138a2b59f472
                0  docs   fresh    7c557cae5d77f238
                1  api    fresh    c4506f49c9517008

            nothing to build: 3 images fresh
        "#]],
    );
    check(
        &decide(project(&[]).unwrap(), &Known::new(), &BTreeSet::new()),
        expect![[r#"
        LAYER  IMAGE  VERDICT  HASH              WHY

        no images
    "#]],
    );
}

#[test]
fn each_reason_is_told_with_its_data() {
    let set = |image: &mut Sketch, from: &str, to: &str| image.dockerfile = image.dockerfile.replace(from, to);
    check_change(
        |images| set(&mut images[0], "COPY base /", "COPY base /usr/"),
        expect![[r#"
        base: the Dockerfile changed
        api: base changed
    "#]],
    );
    check_change(
        |images| drop(images[0].files.insert("base".to_owned(), "2".to_owned())),
        expect![[r#"
        base: files changed
        api: base changed
    "#]],
    );
    check_change(
        |images| drop(images[1].args.insert("LEVEL".to_owned(), "2".repeat(50))),
        expect![[r#"
            api: the argument LEVEL changed
        "#]],
    );
    check_change(
        |images| drop(images[1].args.remove("LEVEL")),
        expect![[r#"
            api: the argument LEVEL changed
        "#]],
    );
    check_change(
        |images| images[1].platform = "linux/arm64".parse().unwrap(),
        expect![[r#"
        api: linux/amd64 -> linux/arm64
    "#]],
    );
    check_change(
        |images| set(&mut images[0], "debian:12", "debian:13"),
        expect![[r#"
            base: the Dockerfile changed, no longer made from debian:12, now made from debian:13
            api: base changed
        "#]],
    );
    check_change(
        |images| set(&mut images[1], "shop/base", "shop/docs"),
        expect![[r#"
            api: the Dockerfile changed, no longer made from base, now made from docs
        "#]],
    );
    check_change(
        |images| set(&mut images[2], "scratch", "shop/base"),
        expect![[r#"
            docs: the Dockerfile changed, now made from base
        "#]],
    );
    check_change(
        |images| {
            images[2].secrets.insert("key".to_owned());
            set(&mut images[2], "COPY", "RUN --mount=type=secret,id=key x\nCOPY");
        },
        expect![[r#"
            docs: the Dockerfile changed, now takes the secret key
        "#]],
    );
    check_change(
        |images| images[2].injected.push(("i".to_owned(), "x".to_owned(), 0o600, 0)),
        expect![[r#"
        docs: added files changed: i
    "#]],
    );
    check_change(
        |images| drop(images[2].labels.insert("a".to_owned(), "b".to_owned())),
        expect![[r#"
        docs: the label a changed
    "#]],
    );
    check_change(
        |images| {
            images[1].args.insert("LEVEL".to_owned(), String::new());
            images[1].files.clear();
            images[1].labels.insert("a".to_owned(), "b".to_owned());
            set(&mut images[1], "ARG", "RUN x\nARG");
        },
        expect![[r#"
            api: the Dockerfile changed, files changed, the argument LEVEL changed, and 1 more
        "#]],
    );
}

#[test]
fn a_built_image_whose_tests_did_not_pass_is_not_fresh() {
    let resolved = project(&sketches()).unwrap();
    let mut known = all_is_there(&resolved);
    let docs = known.get_mut(&"docs".parse().unwrap()).unwrap();
    *docs = KnownImage { testing: docs.latest.take(), ..KnownImage::default() };
    check(
        &decide(resolved, &known, &BTreeSet::new()),
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   fresh    4aa4138a2b59f472
                0  docs   build    7c557cae5d77f238  built, but its tests have not passed
                1  api    fresh    c4506f49c9517008

            1 of 3 images to build
        "#]],
    );
}

#[test]
fn an_image_that_passed_other_tests_is_not_fresh() {
    let resolved = project(&sketches()).unwrap();
    let mut known = all_is_there(&resolved);
    known.get_mut(&"api".parse().unwrap()).unwrap().tested = false;
    known.get_mut(&"docs".parse().unwrap()).unwrap().tested = false;
    let mut asked = resolved;
    let api = asked.images.iter_mut().find(|image| image.name.as_str() == "api").unwrap();
    api.test.healthy_within = Some(Duration::from_secs(1));
    check(
        &decide(asked, &known, &BTreeSet::new()),
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   fresh    4aa4138a2b59f472
                0  docs   fresh    7c557cae5d77f238
                1  api    build    c4506f49c9517008  its tests changed

            1 of 3 images to build
        "#]],
    );
}

#[test]
fn an_image_of_which_nothing_can_be_compared_is_built() {
    let resolved = project(&sketches()).unwrap();
    let mut known = former(&project(&[Sketch::new("docs", "FROM scratch\nRUN old\n")]).unwrap());
    known.get_mut(&"docs".parse().unwrap()).unwrap().latest.as_mut().unwrap().fingerprint = None;
    check(
        &decide(resolved, &known, &BTreeSet::new()),
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   build    4aa4138a2b59f472  never built
                0  docs   build    7c557cae5d77f238  built from inputs that are not known
                1  api    build    c4506f49c9517008  never built

            3 images to build
        "#]],
    );
}

#[test]
fn an_image_whose_content_tag_was_removed_is_found_as_latest() {
    let resolved = project(&sketches()).unwrap();
    let plan = decide(resolved.clone(), &former(&resolved), &BTreeSet::new());
    let existing: Vec<_> = plan.images.iter().map(|planned| planned.existing.as_ref().unwrap().to_string()).collect();
    assert_eq!(existing, ["shop/base:latest", "shop/docs:latest", "shop/api:latest"]);
}

#[test]
fn what_is_forced_is_built_and_its_children_are_not() {
    let resolved = project(&sketches()).unwrap();
    let known = all_is_there(&resolved);
    check(
        &decide(resolved, &known, &BTreeSet::from(["base".parse().unwrap()])),
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   build    4aa4138a2b59f472  asked for
                0  docs   fresh    7c557cae5d77f238
                1  api    fresh    c4506f49c9517008

            1 of 3 images to build
        "#]],
    );
}

#[test]
fn labels_carry_what_the_next_plan_needs() {
    let resolved = project(&sketches()).unwrap();
    for image in &resolved.images {
        assert_eq!(image.all_labels()[LABEL_CONTENT_HASH], image.content_hash.to_string());
        assert_eq!(Fingerprint::from_label(&image.all_labels()[LABEL_FINGERPRINT]), Some(image.fingerprint.clone()));
        assert_eq!(
            image.content.tag().unwrap().as_str(),
            format!("content-{}", &image.content_hash.digest().hex()[..16])
        );
    }
}

/// The shape is an interface: a change of this file is a change of it.
#[test]
fn the_json_of_a_plan_is_the_golden_file() {
    let mut after = sketches();
    after[0].files.insert("base".to_owned(), "2".to_owned());
    after[1].args.insert("LEVEL".to_owned(), "2".to_owned());
    after[2].dockerfile.push_str("COPY --from=docs /x /x\n");
    after[2].secrets.insert("unused".to_owned());
    let json = serde_json::to_string_pretty(&plan_json::json(&plan_since(&sketches(), &after))).unwrap() + "\n";
    expect_test::expect_file!["../../testdata/plan/plan.json"].assert_eq(&json);
    let schema: Schema = plan_json::schema();
    let schema = format!("{:#}\n", schema.to_value());
    expect_test::expect_file!["../../testdata/plan/plan.schema.json"].assert_eq(&schema);
    let schema = format!("{:#}\n", stale::schema().to_value());
    expect_test::expect_file!["../../testdata/plan/stale.schema.json"].assert_eq(&schema);
}

/// Every key and every kind of reason is explained to people too.
#[test]
fn the_documentation_names_all_of_the_shape() {
    fn words(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            found.extend(properties.keys().cloned());
        }
        if let Some(constant) = schema["const"].as_str() {
            found.insert(constant.to_owned());
        }
        match schema {
            serde_json::Value::Object(object) => object.values().for_each(|value| words(value, found)),
            serde_json::Value::Array(array) => array.iter().for_each(|value| words(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    words(&plan_json::schema().to_value(), &mut found);
    words(&stale::schema().to_value(), &mut found);
    assert!(found.contains("arg_changed") && found.contains("column"), "{found:?}");
    let documentation = include_str!("../../docs/plan-json.md");
    found.retain(|word| !documentation.contains(&format!("`{word}`")));
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn verdicts_are_drawn() {
    let resolved = project(&sketches()).unwrap();
    let mut known = all_is_there(&resolved);
    known.remove(&"api".parse().unwrap());
    let plan = decide(resolved, &known, &BTreeSet::new());
    let graph = ui::Graph::from(&plan);
    expect![[r##"
        digraph "shop" {
          rankdir=LR;
          node [shape=box, fontname=sans];
          edge [fontname=sans, fontsize=10];
          n0 [label="base\nfresh", style=filled, fillcolor="#d5f0d5"];
          n1 [label="docs\nfresh", style=filled, fillcolor="#d5f0d5"];
          n2 [label="api\nbuild", style=filled, fillcolor="#ffe0b3"];
          n3 [label="debian:12", style=dashed];
          n0 -> n2 [label="FROM"];
          n3 -> n0;
        }
    "##]]
    .assert_eq(&graph.dot());
    expect![[r#"
        flowchart LR
          n0["base"]:::fresh
          n1["docs"]:::fresh
          n2["api"]:::build
          n3(["debian:12"]):::outside
          n0 -->|"FROM"| n2
          n3 --> n0
          classDef fresh fill:#d5f0d5,stroke:#4a7a4a,color:#000
          classDef build fill:#ffe0b3,stroke:#a0671a,color:#000
          classDef outside fill:none,stroke-dasharray:4
    "#]]
    .assert_eq(&graph.mermaid());
    let coloured = ui::table(&plan, Color::Always);
    assert!(coloured.contains("\u{1b}["));
    expect![[r#"
        LAYER  IMAGE  VERDICT  HASH              WHY
            0  base   fresh    4aa4138a2b59f472
            0  docs   fresh    7c557cae5d77f238
            1  api    build    c4506f49c9517008  never built

        1 of 3 images to build
    "#]]
    .assert_eq(&anstream::adapter::strip_str(&coloured).to_string());
}
