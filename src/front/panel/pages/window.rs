//! The drawings: a room is a window, lit while it is on; the house is a wall of them. Colours
//! come from the style sheet, and nothing is said by a drawing alone.

use maud::{Markup, html};

/// Columns and rows of the house's windows.
const COLUMNS: usize = 5;
const ROWS: usize = 3;

/// One room's window; its light follows the `data-state` around it.
pub(super) fn window() -> Markup {
    html! {
        svg.window viewBox="0 0 64 72" aria-hidden="true" focusable="false" {
            rect.frame x="6" y="4" width="52" height="60" rx="6" {}
            rect.glass x="11" y="9" width="42" height="50" rx="3" {}
            path.lamp d="M32 9v10m-7 9a7 7 0 0 1 14 0z" {}
            path.bars d="M32 9v50M11 34h42" {}
            rect.sill x="1" y="63" width="62" height="6" rx="3" {}
        }
    }
}

/// The house, with as many lit windows as rooms are on, at most all. Its door is always lit.
pub(super) fn house(lit: usize) -> Markup {
    let all = COLUMNS * ROWS;
    html! {
        svg.house viewBox="0 0 240 222" aria-hidden="true" focusable="false" {
            path.roof d="M168 40V14h18v36M14 66 120 12l106 54z" {}
            rect.wall x="24" y="66" width="192" height="152" {}
            @for index in 0..all {
                // Steps of 7 through 15 windows visit each once: lights are scattered.
                @let place = index * 7 % all;
                rect.pane.lit[index < lit]
                    x=(38 + 36 * (place % COLUMNS)) y=(78 + 34 * (place / COLUMNS))
                    width="20" height="22" rx="2" {}
            }
            circle.pane.lit[lit > all] cx="120" cy="44" r="8" {}
            path.pane.lit d="M108 218v-24a12 12 0 0 1 24 0v24z" {}
            path.ground d="M4 218h232" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_lit_for_each_room() {
        let lit = |count| house(count).into_string().matches("pane lit").count();
        // The door is always lit; past fifteen rooms, so is the attic.
        assert_eq!([lit(0), lit(1), lit(7), lit(15), lit(400)], [1, 2, 8, 16, 17]);
    }
}
