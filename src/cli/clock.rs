//! A lab as one of an exam: the clock, the other labs, and the words that lead on.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{error::Error, render};

/// The exam that a lab is one of.
#[derive(Debug)]
pub struct Clock {
    /// All labs, in the pack's order.
    pub labs: Vec<Place>,
    /// Which of them this is.
    pub here: usize,
    pub ends: Instant,
    /// Whether it was said that `next` is for good.
    pub warned: AtomicBool,
    leave: Mutex<Option<Leave>>,
}

/// A lab of the exam, as far as a learner needs to know.
#[derive(Debug, Clone)]
pub struct Place {
    pub lab: String,
    pub title: String,
    /// Percent of the exam.
    pub weight: u32,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Here,
    Done,
    Skipped,
    ToCome,
}

/// How a lab of an exam is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Next,
    Skip,
    Finish,
    /// For the lab of this number, from 0 on.
    Goto(usize),
}

/// What a word of an exam comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Leaves(Leave),
    /// The person is to be asked first.
    Asks(String),
}

/// Whether a word of a node's shell leaves a lab of an exam.
pub fn leaves(word: &str) -> bool {
    matches!(word, "next" | "skip" | "finish" | "goto")
}

impl Clock {
    pub fn new(labs: Vec<Place>, here: usize, ends: Instant, warned: bool) -> Self {
        Self {
            labs,
            here,
            ends,
            warned: AtomicBool::new(warned),
            leave: Mutex::new(None),
        }
    }

    pub fn time_left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The word that leaves the lab, once it was given.
    pub fn left(&self) -> Option<Leave> {
        self.leave.lock().ok().and_then(|word| *word)
    }

    /// Takes a word that leaves the lab. `can_ask` is false where nobody is there to answer,
    /// and when the answer was yes.
    ///
    /// # Errors
    /// It leads nowhere.
    pub fn take(&self, word: &str, lab: Option<&str>, can_ask: bool) -> Result<Said, Error> {
        let said = self.understand(word, lab, can_ask)?;
        if let (Said::Leaves(leave), Ok(mut wish)) = (&said, self.leave.lock()) {
            *wish = Some(*leave);
        }
        Ok(said)
    }

    fn understand(&self, word: &str, lab: Option<&str>, can_ask: bool) -> Result<Said, Error> {
        let open = self.count(State::Skipped) + self.count(State::ToCome);
        let can_ask = can_ask && open > 0 && !self.time_left().is_zero();
        let leave = match word {
            "next" if can_ask && !self.warned.load(Ordering::SeqCst) => {
                return Ok(Said::Asks(
                    "`next` is done with this lab for good; `skip` puts it off and keeps it. Done \
                     with it? (This is asked once.)"
                        .into(),
                ));
            }
            "next" => {
                self.warned.store(true, Ordering::SeqCst);
                Leave::Next
            }
            "skip" if open == 0 => {
                return Err(Error::Usage(
                    "there is no other lab to go to; `finish` ends the exam".into(),
                ));
            }
            "skip" => Leave::Skip,
            "goto" => self.find(lab)?,
            _ if can_ask => return Ok(Said::Asks(self.what_is_open())),
            _ => Leave::Finish,
        };
        Ok(Said::Leaves(leave))
    }

    fn count(&self, state: State) -> usize {
        self.labs.iter().filter(|lab| lab.state == state).count()
    }

    /// What would be given up by ending the exam now.
    fn what_is_open(&self) -> String {
        let mut parts = Vec::new();
        for (count, what) in [
            (self.count(State::Skipped), "skipped"),
            (self.count(State::ToCome), "not begun"),
        ] {
            match count {
                0 => {}
                1 => parts.push(format!("1 lab was {what}")),
                _ => parts.push(format!("{count} labs were {what}")),
            }
        }
        let time = render::minutes(self.time_left());
        let verb = if time.starts_with("1 ") { "is" } else { "are" };
        format!("{}, {time} {verb} left. End the exam?", parts.join(", "))
    }

    /// The lab that `goto` names, by its number or its name.
    fn find(&self, wanted: Option<&str>) -> Result<Leave, Error> {
        let usage = |message: String| Err(Error::Usage(message));
        let Some(wanted) = wanted else {
            return usage("goto which lab? `task` shows their numbers: `goto 2`".into());
        };
        let at = self
            .labs
            .iter()
            .enumerate()
            .position(|(at, lab)| lab.lab == wanted || (at + 1).to_string() == wanted);
        let Some(at) = at else {
            return usage(format!(
                "the exam has no lab `{wanted}`; `task` shows the labs with their numbers"
            ));
        };
        match self.labs[at].state {
            State::Here => usage("that is this lab".into()),
            State::Done => usage(format!(
                "lab {} is done with, by `next`; its grade stands",
                at + 1
            )),
            State::Skipped | State::ToCome => Ok(Leave::Goto(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(states: &[State], seconds: u64) -> Clock {
        let place = |state: &State| Place {
            lab: format!("lab-{state:?}").to_lowercase(),
            title: String::new(),
            weight: 1,
            state: *state,
        };
        let here = states.iter().position(|state| *state == State::Here);
        Clock::new(
            states.iter().map(place).collect(),
            here.unwrap_or(0),
            Instant::now() + Duration::from_secs(seconds),
            false,
        )
    }

    const MANY: [State; 5] = [
        State::Done,
        State::Skipped,
        State::Here,
        State::ToCome,
        State::ToCome,
    ];

    #[test]
    fn the_end_of_an_exam_is_asked_for_while_something_is_open() {
        let question = "1 lab was skipped, 2 labs were not begun, 10 minutes are left. \
                        End the exam?";
        let said = clock(&MANY, 600)
            .take("finish", None, true)
            .expect("a word");
        assert_eq!(said, Said::Asks(question.into()));
        let done = [State::Done, State::Here];
        for (states, seconds, can_ask) in [
            (&MANY[..], 600, false),
            (&MANY, 0, true),
            (&done, 600, true),
        ] {
            let clock = clock(states, seconds);
            let said = clock.take("finish", None, can_ask).expect("a word");
            assert_eq!(said, Said::Leaves(Leave::Finish));
            assert_eq!(clock.left(), Some(Leave::Finish));
        }
    }

    #[test]
    fn next_says_once_that_it_is_for_good() {
        let clock = clock(&MANY, 600);
        // Whoever says no is asked again; whoever has said yes knows.
        for _ in 0..2 {
            assert!(matches!(clock.take("next", None, true), Ok(Said::Asks(_))));
            assert_eq!(clock.left(), None);
        }
        for can_ask in [false, true] {
            let said = clock.take("next", None, can_ask).expect("a word");
            assert_eq!(said, Said::Leaves(Leave::Next));
        }
    }

    #[test]
    fn one_goes_to_what_is_open_by_number_or_name() {
        for (wanted, at) in [
            (Some("2"), Some(1)),
            (Some("lab-skipped"), Some(1)),
            (Some("5"), Some(4)),
            (Some("lab-done"), None),
            (Some("3"), None),
            (Some("6"), None),
            (Some("0"), None),
            (None, None),
        ] {
            let clock = clock(&MANY, 600);
            let said = clock.take("goto", wanted, true).ok();
            assert_eq!(
                said,
                at.map(|at| Said::Leaves(Leave::Goto(at))),
                "{wanted:?}"
            );
        }
        let alone = clock(&[State::Done, State::Here], 600);
        assert!(alone.take("skip", None, true).is_err());
    }
}
