//! What the labs of an exam pack come to together: each earns its weight in proportion to
//! the points of its tasks.

use lab::Pack;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Report;

/// The grade of an exam.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Paper {
    /// The pack's id.
    pub pack: String,
    pub title: String,
    /// What the labs' values were drawn from.
    pub seed: u64,
    /// The clock.
    pub minutes: u32,
    pub used_seconds: u64,
    /// Percent that pass.
    pub pass_percent: u32,
    /// Hundredths of a percent that were earned.
    pub earned_hundredths: u32,
    pub passed: bool,
    pub items: Vec<ItemReport>,
    /// The weakest first.
    pub competencies: Vec<CompetencyReport>,
}

/// A lab of an exam, judged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ItemReport {
    pub lab: String,
    pub title: String,
    pub competency: String,
    /// Percent of the exam.
    pub weight: u32,
    /// Hundredths of a percent of the exam that were earned.
    pub earned_hundredths: u32,
    /// Absent if the lab was never begun.
    pub report: Option<Report>,
}

/// What an official competency came to, over all labs that count for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CompetencyReport {
    pub competency: String,
    /// Percent of the exam.
    pub weight: u32,
    /// Hundredths of a percent of the exam that were earned.
    pub earned_hundredths: u32,
}

impl CompetencyReport {
    /// Percent of the competency that was earned, rounded down.
    pub fn percent(&self) -> u32 {
        self.earned_hundredths / self.weight.max(1)
    }
}

impl Paper {
    /// Judges an exam; `reports` go with the pack's items, absent ones were never begun.
    pub fn new(pack: &Pack, seed: u64, used_seconds: u64, reports: Vec<Option<Report>>) -> Self {
        let items: Vec<ItemReport> = pack
            .items
            .iter()
            .zip(reports)
            .map(|(item, report)| ItemReport {
                lab: item.lab.clone(),
                title: item.title.clone(),
                competency: item.competency.clone(),
                weight: item.weight,
                earned_hundredths: report
                    .as_ref()
                    .map_or(0, |report| share(item.weight, report)),
                report,
            })
            .collect();
        let earned_hundredths = items.iter().map(|item| item.earned_hundredths).sum();
        Self {
            pack: pack.id.clone(),
            title: pack.title.clone(),
            seed,
            minutes: pack.minutes,
            used_seconds,
            pass_percent: pack.pass,
            earned_hundredths,
            passed: earned_hundredths >= pack.pass * 100,
            competencies: competencies(&items),
            items,
        }
    }

    /// Whether something could be neither passed nor failed.
    pub fn unknown(&self) -> bool {
        self.items
            .iter()
            .filter_map(|item| item.report.as_ref())
            .any(Report::unknown)
    }
}

/// What a lab earns of its weight, in hundredths of a percent.
fn share(weight: u32, report: &Report) -> u32 {
    if report.points == 0 {
        return 0;
    }
    // Both are in hundredths, so the quotient is.
    weight * report.earned_hundredths / report.points
}

fn competencies(items: &[ItemReport]) -> Vec<CompetencyReport> {
    let mut found: Vec<CompetencyReport> = Vec::new();
    for item in items {
        let at = found
            .iter()
            .position(|one| one.competency == item.competency)
            .unwrap_or_else(|| {
                found.push(CompetencyReport {
                    competency: item.competency.clone(),
                    weight: 0,
                    earned_hundredths: 0,
                });
                found.len() - 1
            });
        found[at].weight += item.weight;
        found[at].earned_hundredths += item.earned_hundredths;
    }
    // Those that are equally weak stay in the pack's order.
    found.sort_by_key(CompetencyReport::percent);
    found
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use lab::pack::Item;

    use super::*;

    fn item(lab: &str, weight: u32, competency: &str) -> Item {
        Item {
            lab: lab.into(),
            dir: PathBuf::new(),
            title: String::new(),
            tasks: Vec::new(),
            weight,
            competency: competency.into(),
        }
    }

    fn report(points: u32, earned_hundredths: u32) -> Option<Report> {
        Some(Report {
            lab: String::new(),
            title: String::new(),
            seed: 0,
            points,
            earned_hundredths,
            tasks: Vec::new(),
            remark: String::new(),
        })
    }

    fn paper(reports: Vec<Option<Report>>) -> Paper {
        let pack = Pack {
            file: PathBuf::new(),
            id: "x".into(),
            title: String::new(),
            intro: String::new(),
            minutes: 60,
            pass: 66,
            items: vec![
                item("a", 30, "workloads/one"),
                item("b", 34, "storage/two"),
                item("c", 36, "workloads/one"),
            ],
        };
        Paper::new(&pack, 1, 2, reports)
    }

    #[test]
    fn weights_are_earned_in_parts() {
        for (reports, earned, passed) in [
            (
                vec![report(7, 700), report(3, 300), report(1, 100)],
                10_000,
                true,
            ),
            (vec![report(7, 0), report(3, 0), report(1, 0)], 0, false),
            (vec![None, None, None], 0, false),
            // A third of 30, and 36: 46 of 100.
            (vec![report(3, 100), None, report(1, 100)], 4600, false),
            // Exactly what passes: 30 and 36.
            (vec![report(3, 300), None, report(1, 100)], 6600, true),
            (vec![report(3, 299), None, report(1, 100)], 6590, false),
        ] {
            let paper = paper(reports);
            assert_eq!((paper.earned_hundredths, paper.passed), (earned, passed));
        }
    }

    #[test]
    fn the_weakest_competency_comes_first() {
        let paper = paper(vec![report(1, 100), report(2, 100), report(1, 0)]);
        let found: Vec<_> = paper
            .competencies
            .iter()
            .map(|one| (one.competency.as_str(), one.weight, one.percent()))
            .collect();
        assert_eq!(found, [("workloads/one", 66, 45), ("storage/two", 34, 50)]);
    }
}
