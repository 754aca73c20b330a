//! What a check found, and what that makes of a task and of the whole lab.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Outcome {
    /// As asked.
    Passed {
        /// What was seen, in one sentence.
        found: String,
    },
    /// Not as asked.
    Failed {
        /// What was seen.
        found: String,
        /// What should have been there.
        expected: String,
        /// The file, object or endpoint that was looked at.
        place: String,
    },
    /// The grader's own trouble: neither right nor wrong.
    CouldNotLook {
        /// What kept it from looking.
        reason: String,
        /// What it wanted to look at.
        place: String,
    },
}

/// Text that may come from a node, with every control character as an escape: whoever is
/// graded writes neither to the terminal nor to the log of who grades.
pub fn visible(text: impl Into<String>) -> String {
    let text = text.into();
    if !text.contains(char::is_control) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for one in text.chars() {
        match one.is_control() {
            true => shown.extend(one.escape_default()),
            false => shown.push(one),
        }
    }
    shown
}

impl Outcome {
    pub fn passed(found: impl Into<String>) -> Self {
        Self::Passed {
            found: visible(found),
        }
    }

    pub fn failed(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Failed {
            found: visible(found),
            expected: expected.into(),
            place: visible(place),
        }
    }

    pub fn could_not_look(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::CouldNotLook {
            reason: visible(reason),
            place: visible(place),
        }
    }
}

/// One check of a task, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    pub name: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// One task, judged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TaskReport {
    pub id: String,
    /// What the task is worth.
    pub points: u32,
    /// Hundredths of a point that were earned: all or nothing, less the hints' cost.
    pub earned_hundredths: u32,
    /// Percent of the task's points that its hints cost.
    pub hint_cost_percent: u32,
    pub checks: Vec<CheckReport>,
}

impl TaskReport {
    /// Judges a task: it is solved when all its checks passed.
    pub fn new(id: &str, points: u32, hint_cost_percent: u32, checks: Vec<CheckReport>) -> Self {
        let mut report = Self {
            id: id.to_owned(),
            points,
            earned_hundredths: 0,
            hint_cost_percent: hint_cost_percent.min(100),
            checks,
        };
        if report.solved() {
            report.earned_hundredths = points * (100 - report.hint_cost_percent);
        }
        report
    }

    /// Whether every check passed.
    pub fn solved(&self) -> bool {
        self.checks
            .iter()
            .all(|check| matches!(check.outcome, Outcome::Passed { .. }))
    }

    /// Whether a check failed, which settles the task whatever else could not be seen.
    pub fn failed(&self) -> bool {
        self.checks
            .iter()
            .any(|check| matches!(check.outcome, Outcome::Failed { .. }))
    }

    /// Whether nothing failed but something could not be looked at.
    pub fn unknown(&self) -> bool {
        !self.solved() && !self.failed()
    }
}

/// The whole lab, judged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    pub lab: String,
    pub title: String,
    pub seed: u64,
    pub points: u32,
    pub earned_hundredths: u32,
    pub tasks: Vec<TaskReport>,
    /// What is to be known of the run as a whole, such as a limit that it went over;
    /// empty for nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remark: String,
}

impl Report {
    /// Whether `other` says nothing new to who has read this: the same of whatever did not
    /// pass, and the same points. How what passed was seen may differ.
    pub fn says_as_much(&self, other: &Self) -> bool {
        self.earned_hundredths == other.earned_hundredths
            && self.remark == other.remark
            && self.not_passed().eq(other.not_passed())
    }

    fn not_passed(&self) -> impl Iterator<Item = &CheckReport> {
        let checks = self.tasks.iter().flat_map(|task| &task.checks);
        checks.filter(|check| !matches!(check.outcome, Outcome::Passed { .. }))
    }

    /// Whether every task is solved, hints or not.
    pub fn solved(&self) -> bool {
        self.tasks.iter().all(TaskReport::solved)
    }

    /// Whether some task could be neither passed nor failed.
    pub fn unknown(&self) -> bool {
        self.tasks.iter().any(TaskReport::unknown)
    }

    /// The tasks that are not solved.
    pub fn lost(&self) -> Vec<&str> {
        self.tasks
            .iter()
            .filter(|task| !task.solved())
            .map(|task| task.id.as_str())
            .collect()
    }
}

/// Points as people write them: `3`, `2.4`.
pub fn points(hundredths: u32) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome) -> CheckReport {
        CheckReport {
            name: "check".into(),
            outcome,
        }
    }

    #[test]
    fn what_a_node_says_moves_no_cursor() {
        let told = Outcome::failed("a", "\u{1b}[2J red\n::error::", "b");
        let plain = Outcome::failed("a", "\\u{1b}[2J red\\n::error::", "b");
        assert_eq!(told, plain);
    }

    #[test]
    fn a_task_is_all_or_nothing_and_pays_for_its_hints() {
        let passed = || check(Outcome::passed("yes"));
        let failed = || check(Outcome::failed("here", "no", "yes"));
        let blind = || check(Outcome::could_not_look("there", "dark"));
        for (checks, hints, earned, unknown) in [
            (vec![passed(), passed()], 0, 300, false),
            (vec![passed(), passed()], 20, 240, false),
            (vec![passed(), passed()], 120, 0, false),
            (vec![passed(), failed()], 0, 0, false),
            (vec![failed(), blind()], 0, 0, false),
            (vec![passed(), blind()], 0, 0, true),
        ] {
            let task = TaskReport::new("task", 3, hints, checks);
            assert_eq!((task.earned_hundredths, task.unknown()), (earned, unknown));
        }
    }

    #[test]
    fn only_what_did_not_pass_is_news() {
        let report = |outcomes: [Outcome; 2]| Report {
            lab: "lab".into(),
            title: "Lab".into(),
            seed: 1,
            points: 3,
            earned_hundredths: 0,
            tasks: vec![TaskReport::new("task", 3, 0, outcomes.map(check).into())],
            remark: String::new(),
        };
        let seen = |found| Outcome::passed(found);
        let missed = |found| Outcome::failed("here", found, "yes");
        let told = report([seen("revision 7"), missed("no")]);
        for (other, same) in [
            ([seen("revision 9"), missed("no")], true),
            ([seen("revision 7"), missed("never")], false),
            (
                [seen("revision 7"), Outcome::could_not_look("here", "dark")],
                false,
            ),
            ([seen("revision 7"), seen("yes")], false),
        ] {
            assert_eq!(told.says_as_much(&report(other.clone())), same, "{other:?}");
        }
    }

    #[test]
    fn points_read_well() {
        for (hundredths, text) in [
            (300, "3"),
            (240, "2.4"),
            (5, "0.05"),
            (0, "0"),
            (1000, "10"),
        ] {
            assert_eq!(points(hundredths), text);
        }
    }
}
