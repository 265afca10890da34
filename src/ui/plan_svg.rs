//! A graph of images as a picture. Its background is transparent and its colours are readable on light and dark.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::layout::{Layout, Size, layout};
use super::plan_graph::{Graph, Node};
use crate::model::ImageName;
use crate::plan::Verdict;

/// The size of letters.
const FONT: f64 = 12.0;
/// How wide one is in the fonts that are asked for, which are all alike in this; a little more than they need.
const LETTER: f64 = 7.4;
/// The height of one name with its border.
const ROW: f64 = 24.0;
/// Between a name and its border, and around names in a common box.
const PAD: f64 = 8.0;
/// In a graph with more images than this, those that nothing is made from and that are made from the same share a box.
const SINGLE_AT_MOST: usize = 40;
/// Of so many such images, that is.
const SHARED_AT_LEAST: usize = 2;

/// What is drawn as one: an image, or one of others, or several images that are made from the same.
struct Drawn<'a> {
    nodes: Vec<Node<'a>>,
    n_columns: usize,
    /// The letters of the longest name.
    n_letters: usize,
}

impl<'a> Drawn<'a> {
    fn new(nodes: Vec<Node<'a>>) -> Self {
        // About three times as high as wide in names, which is near a square in pixels.
        let n_columns = (1..).find(|n| n * n * 4 >= nodes.len()).unwrap_or(1);
        let n_letters = nodes.iter().map(|node| name(node).chars().count()).max().unwrap_or(0);
        Self { nodes, n_columns, n_letters }
    }

    fn cell_width(&self) -> f64 {
        self.n_letters as f64 * LETTER + 2.0 * PAD
    }

    fn size(&self, column: usize) -> Size {
        let (columns, rows) = (self.n_columns as f64, self.nodes.len().div_ceil(self.n_columns) as f64);
        if self.nodes.len() == 1 {
            return Size { column, width: self.cell_width(), height: ROW };
        }
        let gap = PAD / 2.0;
        Size { column, width: columns * (self.cell_width() + gap) + gap, height: rows * (ROW + gap) + gap }
    }

    /// Where each node is within the box.
    fn cells(&self) -> impl Iterator<Item = (&Node<'a>, f64, f64)> {
        let gap = if self.nodes.len() == 1 { 0.0 } else { PAD / 2.0 };
        let n_rows = self.nodes.len().div_ceil(self.n_columns);
        self.nodes.iter().enumerate().map(move |(i, node)| {
            let (column, row) = ((i / n_rows) as f64, (i % n_rows) as f64);
            (node, gap + column * (self.cell_width() + gap), gap + row * (ROW + gap))
        })
    }
}

impl Graph<'_> {
    /// A picture, in the language SVG.
    pub fn svg(&self) -> String {
        let edges = self.edges();
        let drawn = self.drawn(&edges.keys().cloned().collect());
        let box_of: BTreeMap<&Node<'_>, usize> =
            drawn.iter().enumerate().flat_map(|(i, drawn)| drawn.nodes.iter().map(move |node| (node, i))).collect();
        // Several edges between the same two boxes are one.
        let mut between: BTreeMap<(usize, usize), BTreeSet<&str>> = BTreeMap::new();
        for ((from, to), kinds) in &edges {
            let to = Node::Image(to);
            between.entry((box_of[from], box_of[&to])).or_default().insert(kinds);
        }
        let ends: Vec<(usize, usize)> = between.keys().copied().collect();
        let columns = columns(drawn.len(), &ends);
        let sizes: Vec<Size> = drawn.iter().zip(&columns).map(|(drawn, column)| drawn.size(*column)).collect();
        let placed = layout(&sizes, &ends);
        self.draw(&drawn, &between, &sizes, &placed)
    }

    /// The images and what of others they are made from, each in a box.
    fn drawn(&self, edges: &BTreeSet<(Node<'_>, &ImageName)>) -> Vec<Drawn<'_>> {
        let mut drawn: Vec<Drawn<'_>> =
            self.bases().into_iter().map(|base| Drawn::new(vec![Node::Base(base)])).collect();
        let parents: BTreeSet<&Node<'_>> = edges.iter().map(|(from, _)| from).collect();
        let mut alike: BTreeMap<Vec<&Node<'_>>, Vec<Node<'_>>> = BTreeMap::new();
        for image in self.images.iter().map(|(image, _)| image.name) {
            let node = Node::Image(image);
            if self.images.len() <= SINGLE_AT_MOST || parents.contains(&node) {
                drawn.push(Drawn::new(vec![node]));
            } else {
                let from = edges.iter().filter(|(_, to)| *to == image).map(|(from, _)| from).collect();
                alike.entry(from).or_default().push(node);
            }
        }
        for nodes in alike.into_values() {
            if nodes.len() < SHARED_AT_LEAST {
                drawn.extend(nodes.into_iter().map(|node| Drawn::new(vec![node])));
            } else {
                drawn.push(Drawn::new(nodes));
            }
        }
        drawn
    }

    fn draw(
        &self,
        drawn: &[Drawn<'_>],
        between: &BTreeMap<(usize, usize), BTreeSet<&str>>,
        sizes: &[Size],
        placed: &Layout,
    ) -> String {
        let verdicts: BTreeMap<&ImageName, &Verdict> =
            self.images.iter().filter_map(|(image, verdict)| Some((image.name, (*verdict)?))).collect();
        let key = self.key(!verdicts.is_empty(), between);
        let key_width = key.iter().map(|(_, word)| word.chars().count() as f64 * LETTER + 50.0).sum::<f64>();
        let (width, height) = (placed.width.max(key_width) + 2.0 * PAD, placed.height + ROW + 4.0 * PAD);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace\" font-size=\"{FONT}\">\n\
             <title>{}</title>\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
             <path d=\"M0 0.5 8 4 0 7.5Z\" fill=\"#7d8590\"/></marker></defs>\n\
             <g transform=\"translate({PAD} {PAD})\">\n",
            escaped(self.project)
        );
        for ((edge, kinds), route) in between.iter().zip(&placed.routes) {
            let title = format!("{} from {}", title(&drawn[edge.1]), title(&drawn[edge.0]));
            let kinds: Vec<&str> = kinds.iter().copied().filter(|kind| !kind.is_empty()).collect();
            let title = if kinds.is_empty() { title } else { format!("{title}: {}", kinds.join(", ")) };
            let dash = if is_from(&kinds) { "" } else { " stroke-dasharray=\"5 4\"" };
            say(
                &mut svg,
                &format!(
                    "<path d=\"{}\" fill=\"none\" stroke=\"#7d8590\" stroke-width=\"1.2\"{dash} marker-end=\"url(#tip)\"><title>{}</title></path>\n",
                    path(route),
                    escaped(&title)
                ),
            );
        }
        for ((drawn, size), (x, y)) in drawn.iter().zip(sizes).zip(&placed.corners) {
            if drawn.nodes.len() > 1 {
                say(&mut svg, &rectangle((*x, *y), (size.width, size.height), ("none", "#7d8590", "")));
            }
            for (node, dx, dy) in drawn.cells() {
                let cell = (drawn.cell_width(), ROW);
                say(&mut svg, &rectangle((x + dx, y + dy), cell, look(node, &verdicts)));
                let (text_x, text_y) = (x + dx + drawn.cell_width() / 2.0, y + dy + ROW / 2.0 + FONT * 0.35);
                let name = escaped(&name(node));
                say(
                    &mut svg,
                    &format!(
                        "<text x=\"{text_x:.1}\" y=\"{text_y:.1}\" text-anchor=\"middle\" fill=\"#1b2430\">{name}</text>\n"
                    ),
                );
            }
        }
        let (mut x, y) = (0.0, placed.height + 2.0 * PAD);
        for (sign, word) in key {
            say(&mut svg, &format!("<g transform=\"translate({x:.1} {y:.1})\">{sign}"));
            say(&mut svg, &format!("<text x=\"36\" y=\"{:.1}\" fill=\"#7d8590\">{word}</text></g>\n", FONT * 1.1));
            x += word.chars().count() as f64 * LETTER + 50.0;
        }
        svg + "</g>\n</svg>\n"
    }

    /// What the looks mean: a sign, and the word for it.
    fn key(
        &self,
        has_verdicts: bool,
        between: &BTreeMap<(usize, usize), BTreeSet<&str>>,
    ) -> Vec<(String, &'static str)> {
        let line = |dash: &str| {
            format!("<path d=\"M0 8H28\" stroke=\"#7d8590\" stroke-width=\"1.2\"{dash} marker-end=\"url(#tip)\"/>")
        };
        let area = |look| rectangle((0.0, 1.0), (28.0, 14.0), look);
        let kinds =
            || between.values().map(|kinds| kinds.iter().copied().filter(|k| !k.is_empty()).collect::<Vec<_>>());
        let mut key = Vec::new();
        if has_verdicts {
            key.extend([(area(BUILD), "build"), (area(FRESH), "fresh")]);
        }
        if !self.bases().is_empty() {
            key.push((area(BASE), "not the project's"));
        }
        if kinds().any(|kinds| is_from(&kinds)) {
            key.push((line(""), "FROM"));
        }
        if kinds().any(|kinds| !is_from(&kinds)) {
            key.push((line(" stroke-dasharray=\"5 4\""), "COPY --from, mounts, needs"));
        }
        key
    }
}

/// Fill, border and its dashes.
type Look = (&'static str, &'static str, &'static str);

const PLAIN: Look = ("#e8eef5", "#5b6b7f", "");
const FRESH: Look = ("#d5f0d5", "#4a7a4a", "");
const BUILD: Look = ("#ffe0b3", "#a0671a", "");
const BASE: Look = ("#f3f3f3", "#8a8a8a", " stroke-dasharray=\"4 3\"");

fn look(node: &Node<'_>, verdicts: &BTreeMap<&ImageName, &Verdict>) -> Look {
    match node {
        Node::Base(_) => BASE,
        Node::Image(name) => match verdicts.get(name) {
            None => PLAIN,
            Some(Verdict::Fresh) => FRESH,
            Some(Verdict::Build(_)) => BUILD,
        },
    }
}

/// The column of each box: right of all that it is made from, and what is made from nothing just left of the first that
/// is made from it.
fn columns(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; n];
    // As long as something moves: no more often than the longest chain is long, because there are no circles.
    for _ in 0..n {
        let mut moved = false;
        for (from, to) in edges {
            if columns[*to] <= columns[*from] {
                columns[*to] = columns[*from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let has_parents: BTreeSet<usize> = edges.iter().map(|(_, to)| *to).collect();
    for root in (0..n).filter(|i| !has_parents.contains(i)) {
        let first = edges.iter().filter(|(from, _)| *from == root).map(|(_, to)| columns[*to]).min();
        columns[root] = first.map_or(0, |first| first - 1);
    }
    columns
}

/// Whether an edge is there by `FROM`, perhaps among others. Images of others have no words, and mostly are.
fn is_from(kinds: &[&str]) -> bool {
    kinds.is_empty() || kinds.iter().any(|kind| kind.split(", ").any(|word| word == "FROM"))
}

fn name(node: &Node<'_>) -> String {
    match node {
        Node::Image(name) => name.to_string(),
        Node::Base(reference) => reference.to_string(),
    }
}

fn title(drawn: &Drawn<'_>) -> String {
    match &drawn.nodes[..] {
        [node] => name(node),
        nodes => format!("{} images", nodes.len()),
    }
}

/// A smooth line through a route's points: straight through columns, bent between them.
fn path(route: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (place, (x, y)) in route.iter().enumerate() {
        let (from_x, from_y) = if place == 0 { (*x, *y) } else { route[place - 1] };
        let middle = (from_x + x) / 2.0;
        let step = match place {
            0 => format!("M{x:.1} {y:.1}"),
            _ if place % 2 == 1 => format!("H{x:.1}"),
            _ => format!("C{middle:.1} {from_y:.1} {middle:.1} {y:.1} {x:.1} {y:.1}"),
        };
        path.push_str(&step);
    }
    path
}

fn rectangle((x, y): (f64, f64), (width, height): (f64, f64), (fill, stroke, dash): Look) -> String {
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\" fill=\"{fill}\" stroke=\"{stroke}\"{dash}/>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn say(text: &mut String, more: &str) {
    text.write_str(more).expect("writing to a String does not fail");
}
