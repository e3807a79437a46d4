//! The figures of one scenario: a line for each contender.

use std::fmt::Write as _;

use super::thousands;
use crate::results::{Block, Row};
use crate::table::{number, ratio};

/// A table for each size, with a column for each setting. Where there is one setting only, one table with
/// a column for each size.
pub(super) fn rounds(blocks: &[Block<'_>]) -> String {
    let (setting, unit) = (blocks[0][0].setting, &blocks[0][0].unit);
    if blocks.iter().all(|block| block[0].setting == setting) {
        let columns: Vec<_> =
            blocks.iter().map(|block| (thousands(block[0].size), *block)).collect();
        return table(&format!("{setting}, {unit}"), &columns, median_and_ratio);
    }
    let mut sizes: Vec<_> = blocks.iter().map(|block| block[0].size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let of_size = |size| {
        let blocks = blocks.iter().filter(|block| block[0].size == size);
        let columns: Vec<_> = blocks.map(|block| (block[0].setting.to_string(), *block)).collect();
        table(&format!("{}: {unit}", thousands(size)), &columns, median_and_ratio)
    };
    sizes.into_iter().map(of_size).collect()
}

/// Folded away, a column for each setting.
pub(super) fn heap(blocks: &[Block<'_>]) -> String {
    let Some(first) = blocks.first() else {
        return String::new();
    };
    let columns: Vec<_> =
        blocks.iter().map(|block| (block[0].setting.to_string(), *block)).collect();
    let cell = |row: &Row, _: Block<'_>| {
        let heap = row.heap?;
        let [bytes, peak] = [heap.bytes, heap.peak].map(number);
        Some(format!("{} / {bytes} / {peak}", ratio(heap.allocations)))
    };
    format!(
        "<details><summary>Heap at {}, for each item: allocations / bytes asked for / peak of live \
         bytes</summary>\n\n{}</details>\n",
        thousands(first[0].size),
        table("", &columns, cell)
    )
}

fn median_and_ratio(row: &Row, block: Block<'_>) -> Option<String> {
    Some(format!("{} ({})", number(row.median()), ratio(row.ratio_to(&block[0]))))
}

/// Columns with their heads, and what stands in a cell.
fn table(
    corner: &str,
    columns: &[(String, Block<'_>)],
    cell: impl Fn(&Row, Block<'_>) -> Option<String>,
) -> String {
    let heads: String = columns.iter().map(|(head, _)| format!(" {head} |")).collect();
    let mut text = format!("| {corner} |{heads}\n|---|{}\n", "--:|".repeat(columns.len()));
    for name in names(columns) {
        let cells = columns.iter().map(|(_, block)| {
            let row = block.iter().find(|row| row.contender == name);
            let found = row.and_then(|row| cell(row, block));
            format!(" {} |", found.unwrap_or_else(|| "-".into()))
        });
        _ = writeln!(text, "| {name} |{}", cells.collect::<String>());
    }
    text + "\n"
}

/// All contenders, in the order in which they come.
fn names<'a>(columns: &[(String, Block<'a>)]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for row in columns.iter().flat_map(|(_, block)| *block) {
        if !names.contains(&row.contender.as_str()) {
            names.push(&row.contender);
        }
    }
    names
}
