//! How the images of a project hang together: for people, for Graphviz and for mermaid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Color, Paint, paint};
use crate::diag::Location;
use crate::model::{ImageName, Reference};
use crate::plan::{Outline, PinTo, PinnedReference, Plan, Resolved, Understood, Verdict};

/// Of a plan with more images than this, only those that are built are drawn, with what they are made from: the others
/// would hide them. Arbitrary.
const ALL_AT_MOST: usize = 60;

/// The images to draw, each after its parents, with their verdicts where they are known.
#[derive(Debug)]
pub struct Graph<'a> {
    pub(super) project: &'a str,
    pub(super) images: Vec<(Outline<'a>, Option<&'a Verdict>)>,
}

impl<'a> From<&'a Plan> for Graph<'a> {
    fn from(plan: &'a Plan) -> Self {
        let mut images: Vec<_> =
            plan.images.iter().map(|planned| (planned.image.outline(), Some(&planned.verdict))).collect();
        let is_built = |verdict: Option<&Verdict>| verdict != Some(&Verdict::Fresh);
        if images.len() > ALL_AT_MOST && images.iter().any(|(_, verdict)| is_built(*verdict)) {
            let near = with_parents(images.iter().filter(|(_, verdict)| is_built(*verdict)).map(|(image, _)| image));
            images.retain(|(image, _)| near.contains(image.name));
        }
        Self { project: plan.project.as_str(), images }
    }
}

impl<'a> From<&'a Understood> for Graph<'a> {
    fn from(understood: &'a Understood) -> Self {
        let images = understood.outlines().map(|image| (image, None)).collect();
        Self { project: understood.project.as_str(), images }
    }
}

impl<'a> Graph<'a> {
    /// The chosen images, and what each of them is made from.
    pub fn of_chosen(resolved: &'a Resolved) -> Self {
        let outlines: Vec<Outline<'a>> = resolved.images.iter().map(|image| image.outline()).collect();
        let near = with_parents(outlines.iter().filter(|image| resolved.chosen.contains(image.name)));
        let images =
            outlines.into_iter().filter(|image| near.contains(image.name)).map(|image| (image, None)).collect();
        Self { project: resolved.project.as_str(), images }
    }
}

fn with_parents<'a: 'b, 'b>(images: impl Iterator<Item = &'b Outline<'a>>) -> BTreeSet<&'a ImageName> {
    images.flat_map(|image| image.edges.iter().map(|edge| &edge.parent).chain([image.name])).collect()
}

/// What is drawn: an image of the project, or one of others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node<'a> {
    Image(&'a ImageName),
    Base(&'a Reference),
}

impl Graph<'_> {
    /// A paragraph an image: its Dockerfile, then what it is made from, each with the place that says so.
    pub fn text(&self, color: Color) -> String {
        let mut text = String::new();
        for (i, (image, _)) in self.images.iter().enumerate() {
            let break_line = if i == 0 { "" } else { "\n" };
            let name = paint(image.name.as_str(), Paint::Name, color);
            text.push_str(&format!("{break_line}{name}  {}\n", image.dockerfile.path()));
            for edge in image.edges {
                text.push_str(&format!("  {} {}  {}\n", edge.kind, edge.parent, edge.location));
            }
            for PinnedReference { span, platform: _, to } in image.references {
                if let PinTo::External { name: base, digest: _ } = to {
                    text.push_str(&format!("  outside {base}  {}\n", Location::new(image.dockerfile, *span)));
                }
            }
        }
        text
    }

    /// A graph in the language of Graphviz.
    pub fn dot(&self) -> String {
        let ids = self.ids();
        let project = quoted(self.project);
        let mut dot = format!("digraph {project} {{\n  rankdir=LR;\n  node [shape=box, fontname=sans];\n");
        dot.push_str("  edge [fontname=sans, fontsize=10];\n");
        for (image, verdict) in &self.images {
            let (look, word) = match verdict {
                None => ("", ""),
                Some(Verdict::Fresh) => (", style=filled, fillcolor=\"#d5f0d5\"", "\nfresh"),
                Some(Verdict::Build(_)) => (", style=filled, fillcolor=\"#ffe0b3\"", "\nbuild"),
            };
            let id = ids[&Node::Image(image.name)];
            say(&mut dot, &format!("  n{id} [label={}{look}];\n", quoted(&format!("{}{word}", image.name))));
        }
        for base in self.bases() {
            let id = ids[&Node::Base(base)];
            say(&mut dot, &format!("  n{id} [label={}, style=dashed];\n", quoted(&base.to_string())));
        }
        for ((from, to), kinds) in self.edges() {
            let label = if kinds.is_empty() { String::new() } else { format!(" [label={}]", quoted(&kinds)) };
            say(&mut dot, &format!("  n{} -> n{}{label};\n", ids[&from], ids[&Node::Image(to)]));
        }
        dot + "}\n"
    }

    /// A graph in the language of mermaid.
    pub fn mermaid(&self) -> String {
        let ids = self.ids();
        let mut mermaid = String::from("flowchart LR\n");
        for (image, verdict) in &self.images {
            let id = ids[&Node::Image(image.name)];
            let class = match verdict {
                None => "",
                Some(Verdict::Fresh) => ":::fresh",
                Some(Verdict::Build(_)) => ":::build",
            };
            say(&mut mermaid, &format!("  n{id}[\"{}\"]{class}\n", escaped(image.name.as_str())));
        }
        for base in self.bases() {
            let id = ids[&Node::Base(base)];
            say(&mut mermaid, &format!("  n{id}([\"{}\"]):::outside\n", escaped(&base.to_string())));
        }
        for ((from, to), kinds) in self.edges() {
            let label = if kinds.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&kinds)) };
            say(&mut mermaid, &format!("  n{} -->{label} n{}\n", ids[&from], ids[&Node::Image(to)]));
        }
        mermaid.push_str("  classDef fresh fill:#d5f0d5,stroke:#4a7a4a,color:#000\n");
        mermaid.push_str("  classDef build fill:#ffe0b3,stroke:#a0671a,color:#000\n");
        mermaid.push_str("  classDef outside fill:none,stroke-dasharray:4\n");
        mermaid
    }

    /// A number for each node: an image of others may have the name of one of the project's.
    fn ids(&self) -> BTreeMap<Node<'_>, usize> {
        let images = self.images.iter().map(|(image, _)| Node::Image(image.name));
        images.chain(self.bases().into_iter().map(Node::Base)).enumerate().map(|(id, node)| (node, id)).collect()
    }

    pub(super) fn bases(&self) -> BTreeSet<&Reference> {
        self.images.iter().flat_map(|(image, _)| image.bases()).collect()
    }

    /// From what to which image, and by which words.
    pub(super) fn edges(&self) -> BTreeMap<(Node<'_>, &ImageName), String> {
        let mut kinds: BTreeMap<(Node<'_>, &ImageName), BTreeSet<String>> = BTreeMap::new();
        let drawn: BTreeSet<&ImageName> = self.images.iter().map(|(image, _)| image.name).collect();
        for (image, _) in &self.images {
            for edge in image.edges.iter().filter(|edge| drawn.contains(&edge.parent)) {
                kinds.entry((Node::Image(&edge.parent), image.name)).or_default().insert(edge.kind.to_string());
            }
            for base in image.bases() {
                kinds.entry((Node::Base(base), image.name)).or_default();
            }
        }
        let joined = |kinds: BTreeSet<String>| kinds.into_iter().collect::<Vec<_>>().join(", ");
        kinds.into_iter().map(|(ends, kinds)| (ends, joined(kinds))).collect()
    }
}

fn say(text: &mut String, line: &str) {
    text.write_str(line).expect("writing to a String does not fail");
}

/// A quoted string of Graphviz.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The text of a quoted label of mermaid.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}
