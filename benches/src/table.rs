//! Figures as tables on the terminal.

use crate::results::{Block, Row};
use crate::stats::minimum;

/// One block, a line for each contender.
pub fn text(block: Block<'_>) -> String {
    let Some(first) = block.first() else {
        return String::new();
    };
    let place = format!("{}, {}, {}", first.scenario, first.setting, first.size);
    match first.heap {
        Some(_) => heap_lines(&place, block),
        None => round_lines(&place, first, block),
    }
}

fn round_lines(place: &str, first: &Row, block: Block<'_>) -> String {
    let join_set = block.iter().find(|row| row.contender == "JoinSet");
    let of_first = format!("of {}", first.contender);
    let head = [
        first.unit.as_str(),
        "least",
        &of_first,
        if join_set.is_some() { "of JoinSet" } else { "" },
    ];
    let mut text = line(place, &head.map(str::to_owned));
    for row in block {
        let of_join_set = join_set.map_or(String::new(), |other| ratio(row.ratio_to(other)));
        let cells = [
            number(row.median()),
            number(minimum(&row.rounds)),
            ratio(row.ratio_to(first)),
            of_join_set,
        ];
        text += &line(&format!("  {}", row.contender), &cells);
    }
    text
}

fn heap_lines(place: &str, block: Block<'_>) -> String {
    let head = ["allocations", "bytes", "peak", "peak of all"];
    let mut text = line(place, &head.map(str::to_owned));
    for row in block {
        let cells = row.heap.map_or([const { String::new() }; 4], |heap| {
            let whole = |value: f64| format!("{value:.0}");
            [ratio(heap.allocations), whole(heap.bytes), whole(heap.peak), whole(heap.peak_of_all)]
        });
        text += &line(&format!("  {}", row.contender), &cells);
    }
    text
}

fn line(name: &str, cells: &[String; 4]) -> String {
    let [a, b, c, d] = cells;
    format!("{name:<40} {a:>12} {b:>12} {c:>18} {d:>12}\n")
}

/// As many digits as help.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Two digits after the point.
pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}
