//! Which images the words of a command line choose, and which are looked at besides.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use windlass::diag::Diagnostics;
use windlass::plan::{Known, KnownImage, Resolved, decide};
use windlass::ui::{self, Color};

use crate::sketch::{Sketch, chosen as project};

/// `base`; `api` and `team/web` made from it; `e2e` made from both; `docs` beside all.
fn shop(words: &[String]) -> Result<Resolved, Diagnostics> {
    let from = |name: &str, dockerfile: &str| Sketch::new(name, dockerfile);
    let images = [
        from("base", "FROM scratch\n"),
        from("api", "FROM shop/base\n"),
        from("team/web", "FROM shop/base\n"),
        from("e2e", "FROM shop/api\nCOPY --from=shop/team/web / /web\n"),
        from("docs", "FROM scratch\n"),
    ];
    project(&images, words)
}

/// The chosen images, then those that are looked at for their sake.
fn chosen(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    match shop(&words) {
        Err(errors) => errors.to_string(),
        Ok(Resolved { images, chosen, .. }) => {
            let looked_at = images.iter().map(|image| &image.name).filter(|name| !chosen.contains(name));
            let join = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(" ");
            let chosen = join(&mut chosen.iter().map(ToString::to_string));
            format!("{chosen} | {}", join(&mut looked_at.map(ToString::to_string))).trim_end().to_owned()
        }
    }
}

#[test]
fn words_choose_names_globs_and_folders_with_what_is_above_and_below() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "api base docs e2e team/web |"),
        (&["api"], "api | base"),
        (&["api", "docs"], "api docs | base"),
        (&["+api"], "api base |"),
        (&["api+"], "api e2e | base team/web"),
        (&["+api+"], "api base e2e | team/web"),
        (&["base+"], "api base e2e team/web |"),
        (&["+e2e"], "api base e2e team/web |"),
        (&["docs+"], "docs |"),
        (&["*"], "api base docs e2e | team/web"),
        (&["**"], "api base docs e2e team/web |"),
        (&["*s*"], "base docs |"),
        (&["?pi"], "api | base"),
        (&["team/*"], "team/web | base"),
        (&["./team/"], "team/web | base"),
        (&["./team"], "team/web | base"),
        (&["team/"], "team/web | base"),
        (&["./team/web/Dockerfile"], "team/web | base"),
        (&["./*/web+"], "e2e team/web | base api"),
        (&["."], "api base docs e2e team/web |"),
        (&["./"], "api base docs e2e team/web |"),
        (&["+./api/+"], "api base e2e | team/web"),
        (&["team"], "error: the project has no image `team`"),
        (
            &["x*", "./x/", "apj"],
            "error: no image of the project has a name like `x*`\nerror: no image of the project lies in `./x`\nerror: the project has no image `apj`",
        ),
        (&["../api/"], "error: no image of the project lies in `./../api`"),
        (&["+"], "error: the project has no image ``"),
    ];
    for (words, expected) in cases {
        assert_eq!(chosen(words), *expected, "{words:?}");
    }
}

/// Checks the plan of `words` where the images `there` are there, tested.
#[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
fn check(words: &[&str], there: &[&str], expected: Expect) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let is_there = KnownImage { content: true, tested: true, ..KnownImage::default() };
    let known: Known = there.iter().map(|name| (name.parse().unwrap(), is_there.clone())).collect();
    let plan = decide(shop(&words).unwrap(), &known, &BTreeSet::new());
    let hashes = regex::Regex::new("[0-9a-f]{16}").unwrap();
    expected.assert_eq(&hashes.replace_all(&ui::table(&plan, Color::Never), "HASH"));
}

#[test]
fn what_is_not_chosen_is_built_only_where_something_is_built_on_it() {
    check(
        &["api"],
        &["api"],
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                1  api    fresh    HASH

            nothing to build: 1 image fresh
        "#]],
    );
    check(
        &["+api"],
        &["api"],
        expect![[r#"
            LAYER  IMAGE  VERDICT  HASH              WHY
                0  base   build    HASH  never built
                1  api    fresh    HASH

            1 of 2 images to build
        "#]],
    );
    check(
        &["e2e"],
        &["api"],
        expect![[r#"
            LAYER  IMAGE     VERDICT  HASH              WHY
                0  base      build    HASH  never built
                1  api       fresh    HASH
                1  team/web  build    HASH  never built
                2  e2e       build    HASH  never built

            3 of 4 images to build
        "#]],
    );
}
