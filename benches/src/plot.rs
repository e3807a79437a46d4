//! One drawing for each scenario: a panel for each setting and size, a bar for each contender.

use std::fs;
use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::{Block, Results, Row};
use crate::table::{number, ratio};

/// Writes `<scenario>.svg` for each scenario that has rounds.
///
/// # Errors
///
/// If a file cannot be written.
pub fn write_plots(results: &Results, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let blocks: Vec<_> = results.blocks().filter(|block| block[0].heap.is_none()).collect();
    for panels in blocks.chunk_by(|a, b| a[0].scenario == b[0].scenario) {
        let path = folder.join(format!("{}.svg", panels[0][0].scenario));
        // Its errors hold what is not `Send`.
        draw(panels, &path).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    }
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(panels: &[Block<'_>], path: &Path) -> Drawn {
    let columns = panels.chunk_by(|a, b| a[0].setting == b[0].setting).map(<[_]>::len).max();
    let columns = columns.unwrap_or(1).min(3);
    let lines = panels.iter().map(|block| block.len() as i32).max().unwrap_or(0);
    let height = HEAD + lines * LINE + GAP;
    let rows = panels.len().div_ceil(columns);
    let size = ((WIDTH * columns as i32) as u32, (height * rows as i32) as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    for (panel, block) in area.split_evenly((rows, columns)).iter().zip(panels) {
        draw_panel(panel, block)?;
    }
    Ok(area.present()?)
}

fn draw_panel(area: &Area<'_>, block: Block<'_>) -> Drawn {
    let first = &block[0];
    let title = format!("{}, {}, {}, {}", first.scenario, first.setting, first.size, first.unit);
    let bold = ("sans-serif", 15, FontStyle::Bold).into_font().color(&BLACK);
    area.draw(&Text::new(title, (8, 8), bold))?;
    let longest = block.iter().map(Row::median).fold(0.0, f64::max);
    // What is far beyond the first would make the others too short to compare.
    let scale = longest.min(first.median().abs().max(f64::MIN_POSITIVE) * CUT);
    for (index, row) in block.iter().enumerate() {
        draw_bar(area, HEAD + index as i32 * LINE, row, first, scale)?;
    }
    Ok(())
}

fn draw_bar(area: &Area<'_>, top: i32, row: &Row, first: &Row, scale: f64) -> Drawn {
    let share = (row.median() / scale).clamp(0.0, 1.0);
    let (left, right) = (NAMES, NAMES + (f64::from(BARS) * share) as i32);
    let colour = match (is_ours(&row.contender), std::ptr::eq(row, first)) {
        (true, _) => OURS,
        (_, true) => FIRST,
        _ => PEER,
    };
    let font = ("sans-serif", 13).into_font().color(&BLACK);
    let name = font.pos(Pos::new(HPos::Right, VPos::Top));
    area.draw(&Text::new(row.contender.clone(), (left - 6, top + 1), name))?;
    area.draw(&Rectangle::new([(left, top), (right, top + LINE - 5)], colour.filled()))?;
    let beyond = if row.median() > scale { " »" } else { "" };
    let label = format!("{} ({}){beyond}", number(row.median()), ratio(row.ratio_to(first)));
    area.draw(&Text::new(
        label,
        (right + 5, top + 1),
        ("sans-serif", 13).into_font().color(&BLACK),
    ))?;
    Ok(())
}

/// Whether it is what anyscope does.
fn is_ours(contender: &str) -> bool {
    OUR_NAMES.iter().any(|name| contender.starts_with(name))
}

const OUR_NAMES: &[&str] = &[
    "group",
    "scope",
    "gather",
    "map_concurrent",
    "anyscope",
    "poll in",
    "poll of",
    "check_",
    "CPU pool full",
    "process pool",
];

const OURS: RGBColor = RGBColor(37, 99, 180);
const FIRST: RGBColor = RGBColor(90, 90, 90);
const PEER: RGBColor = RGBColor(175, 175, 175);

/// Pixels.
const WIDTH: i32 = 520;
const NAMES: i32 = 200;
const BARS: i32 = 210;
const HEAD: i32 = 28;
const LINE: i32 = 18;
const GAP: i32 = 12;
/// A bar is at most so many times as long as the first.
const CUT: f64 = 5.0;
