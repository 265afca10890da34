//! A plan as a table that a person reads.

use super::plan_reasons::reasons;
use super::{Color, Paint, paint, words};
use crate::model::ContentHash;
use crate::plan::{Plan, PlannedImage, Verdict};

/// How much of the content hash is shown: as much as its tag holds.
const HASH_DIGITS: usize = 16;

/// A line an image in the order of the plan, and the counts.
pub fn table(plan: &Plan, color: Color) -> String {
    let name_width = plan.images.iter().map(|planned| planned.image.name.as_str().len()).max().unwrap_or(0).max(5);
    let mut text =
        format!("{:>5}  {:name_width$}  {:7}  {:HASH_DIGITS$}  {}\n", "LAYER", "IMAGE", "VERDICT", "HASH", "WHY");
    for PlannedImage { image, verdict, existing: _ } in &plan.images {
        let (word, meaning, why) = match verdict {
            Verdict::Fresh => ("fresh", Paint::Good, String::new()),
            Verdict::Build(why) => ("build", Paint::Hint, reasons(why)),
        };
        let name = paint(&format!("{:name_width$}", image.name), Paint::Name, color);
        let word = paint(&format!("{word:7}"), meaning, color);
        let line = format!("{:>5}  {name}  {word}  {}  {why}", image.layer, short(&image.content_hash));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\n{}\n", counts(plan)));
    text
}

/// `3 of 5 images to build`.
pub fn counts(plan: &Plan) -> String {
    match (plan.to_build(), plan.images.len()) {
        (_, 0) => "no images".to_owned(),
        (0, all) => format!("nothing to build: {} fresh", words::images(all)),
        (build, all) if build == all => format!("{} to build", words::images(all)),
        (build, all) => format!("{build} of {} to build", words::images(all)),
    }
}

fn short(hash: &ContentHash) -> String {
    hash.digest().hex()[..HASH_DIGITS].to_owned()
}
