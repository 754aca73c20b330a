//! `schema`: what files and grades look like, for editors and for programs.

use grade::{Paper, Report};

use super::submissions::Graded;
use crate::{
    args::{Described, Schema},
    error::{Error, status},
};

pub fn run(args: &Schema) -> Result<u8, Error> {
    let schema = match args.what {
        Described::Lab => lab::schema::lab(),
        Described::Pack => lab::schema::pack(),
        Described::Report => schemars::schema_for!(Report).to_value(),
        Described::Exam => schemars::schema_for!(Paper).to_value(),
        Described::Grade => schemars::schema_for!(Vec<Graded>).to_value(),
        Described::Reference => {
            print!("{}", lab::schema::reference());
            return Ok(status::DONE);
        }
    };
    let text =
        serde_json::to_string_pretty(&schema).map_err(|error| Error::Failed(error.to_string()))?;
    println!("{text}");
    Ok(status::DONE)
}
