//! Places the boxes of a graph in columns and the edges between them (Sugiyama's method: columns, order within a column,
//! coordinates), so that neither boxes nor an edge and a box overlap.

/// Between two boxes of a column, and between an edge and a box. In pixels, as all here.
const GAP: f64 = 10.0;
/// How much room an edge takes that passes through a column.
const LANE: f64 = 4.0;
/// How often boxes are pulled to their neighbours, from either side. Arbitrary: more changes little.
const SWEEPS: usize = 24;

/// A box to place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// The column, from 0; edges lead to later columns.
    pub(super) column: usize,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    /// The left upper corner of each box.
    pub(super) corners: Vec<(f64, f64)>,
    /// The points of each edge: from the right side of a box to the left side of another. The first two, and each two
    /// after them, lie in one column, at the same height.
    pub(super) routes: Vec<Vec<(f64, f64)>>,
    /// How wide the whole is.
    pub(super) width: f64,
    /// How high.
    pub(super) height: f64,
}

/// A box, or an edge on its way through a column.
struct Stop {
    column: usize,
    height: f64,
    /// Its middle.
    y: f64,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Places boxes. An edge leads from the first to the second of its boxes.
pub(super) fn layout(boxes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let n_columns = boxes.iter().map(|size| size.column + 1).max().unwrap_or(0);
    let stop = |column, height| Stop { column, height, y: 0.0, before: Vec::new(), after: Vec::new() };
    let mut stops: Vec<Stop> = boxes.iter().map(|size| stop(size.column, size.height)).collect();
    let mut ways: Vec<Vec<usize>> = Vec::new();
    for (from, to) in edges {
        let mut way = vec![*from];
        for column in boxes[*from].column + 1..boxes[*to].column {
            stops.push(stop(column, LANE));
            way.push(stops.len() - 1);
        }
        way.push(*to);
        for step in way.windows(2) {
            stops[step[0]].after.push(step[1]);
            stops[step[1]].before.push(step[0]);
        }
        ways.push(way);
    }
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); n_columns];
    (0..stops.len()).for_each(|i| columns[stops[i].column].push(i));
    for column in &columns {
        let desired = vec![0.0; column.len()];
        spread(column, &desired, &mut stops);
    }
    for sweep in 0..SWEEPS {
        let from_left = sweep % 2 == 0;
        for number in 0..n_columns {
            let column = &mut columns[if from_left { number } else { n_columns - 1 - number }];
            let mut pulled: Vec<(f64, usize)> = column.iter().map(|i| (pull(*i, from_left, &stops), *i)).collect();
            // In the last sweeps the order stays, and only distances are evened out.
            if sweep < SWEEPS - 4 {
                pulled.sort_by(|a, b| a.0.total_cmp(&b.0));
            }
            *column = pulled.iter().map(|(_, i)| *i).collect();
            let desired: Vec<f64> = pulled.iter().map(|(y, _)| *y).collect();
            spread(column, &desired, &mut stops);
        }
    }
    finish(boxes, &ways, &columns, &stops)
}

/// Where the neighbours on one side would have a stop: in their middle.
fn pull(stop: usize, from_left: bool, stops: &[Stop]) -> f64 {
    let stop = &stops[stop];
    let neighbours = if from_left { &stop.before } else { &stop.after };
    if neighbours.is_empty() {
        return stop.y;
    }
    neighbours.iter().map(|neighbour| stops[*neighbour].y).sum::<f64>() / neighbours.len() as f64
}

/// Puts the stops of a column as near to where they are desired as their heights allow, in their order: the sum of the
/// squared distances is the least (isotonic regression by pooling neighbours that are in each other's way).
fn spread(column: &[usize], desired: &[f64], stops: &mut [Stop]) {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(column.len());
    // Sum and number of those that are moved together.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (place, stop) in column.iter().enumerate() {
        if place > 0 {
            offset += (stops[column[place - 1]].height + stops[*stop].height) / 2.0 + GAP;
        }
        offsets.push(offset);
        let mut pool = (desired[place] - offset, 1);
        while let Some((sum, n)) = pools.pop_if(|(sum, n)| *sum / *n as f64 > pool.0 / pool.1 as f64) {
            pool = (pool.0 + sum, pool.1 + n);
        }
        pools.push(pool);
    }
    let moved = pools.iter().flat_map(|(sum, n)| std::iter::repeat_n(*sum / *n as f64, *n));
    for ((stop, offset), moved) in column.iter().zip(offsets).zip(moved) {
        stops[*stop].y = offset + moved;
    }
}

/// Corners and routes from the middles of the stops. Columns are parted by more room where many edges turn.
fn finish(boxes: &[Size], ways: &[Vec<usize>], columns: &[Vec<usize>], stops: &[Stop]) -> Layout {
    let top = stops.iter().map(|stop| stop.y - stop.height / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = stops.iter().map(|stop| stop.y + stop.height / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let mut sides = Vec::with_capacity(columns.len());
    let mut right = 0.0;
    for column in columns {
        let width = column.iter().filter_map(|i| boxes.get(*i)).map(|size| size.width).fold(0.0, f64::max);
        sides.push((right, right + width));
        let steep = column.iter().flat_map(|i| stops[*i].after.iter().map(|to| (stops[*to].y - stops[*i].y).abs()));
        right += width + (40.0 + steep.fold(0.0, f64::max) / 12.0).min(160.0);
    }
    let route = |way: &Vec<usize>| {
        let mut points = Vec::with_capacity(2 * way.len());
        for (place, stop) in way.iter().enumerate() {
            let (left, right) = sides[stops[*stop].column];
            let y = stops[*stop].y - top;
            match boxes.get(*stop) {
                Some(size) if place == 0 => points.extend([(left + size.width, y), (right, y)]),
                Some(_) => points.push((left, y)),
                None => points.extend([(left, y), (right, y)]),
            }
        }
        points
    };
    let corner = |(i, size): (usize, &Size)| (sides[size.column].0, stops[i].y - size.height / 2.0 - top);
    Layout {
        corners: boxes.iter().enumerate().map(corner).collect(),
        routes: ways.iter().map(route).collect(),
        width: sides.last().map_or(0.0, |(_, right)| *right),
        height: if boxes.is_empty() { 0.0 } else { bottom - top },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn boxes_do_not_overlap_and_edges_pass_between_them(
            sizes in proptest::collection::vec((0usize..5, 20.0..200.0f64, 20.0..90.0f64), 1..40),
            pairs in proptest::collection::vec((0usize..40, 0usize..40), 0..80),
        ) {
            let boxes: Vec<Size> =
                sizes.iter().map(|(column, width, height)| Size { column: *column, width: *width, height: *height }).collect();
            let leads_on = |(a, b): &(usize, usize)| *a < boxes.len() && *b < boxes.len() && boxes[*a].column < boxes[*b].column;
            let edges: Vec<(usize, usize)> = pairs.into_iter().filter(leads_on).collect();
            let placed = layout(&boxes, &edges);
            let at = |i: usize| {
                let (x, y) = placed.corners[i];
                (x, y, x + boxes[i].width, y + boxes[i].height)
            };
            for i in 0..boxes.len() {
                let (left, top, right, bottom) = at(i);
                prop_assert!(left >= 0.0 && top >= -1e-6 && right <= placed.width + 1e-6 && bottom <= placed.height + 1e-6);
                for j in 0..i {
                    let (other_left, other_top, other_right, other_bottom) = at(j);
                    let apart = right <= other_left || other_right <= left || bottom <= other_top + 1e-6 || other_bottom <= top + 1e-6;
                    prop_assert!(apart, "{i} and {j}");
                }
                for route in &placed.routes {
                    // Between columns there are no boxes; within one, an edge runs straight from side to side.
                    for pair in route[..route.len() - 1].chunks(2) {
                        let (x, y) = pair[0];
                        prop_assert!((pair[1].1 - y).abs() < 1e-9);
                        let passes = x <= left && pair[1].0 > left || x < right && x > left;
                        prop_assert!(!passes || y < top || y > bottom, "an edge through {i}");
                    }
                }
            }
        }
    }
}
