//! `doctor`: what this host lets kubedrill do.

use crate::error::{Error, status};

pub fn run() -> Result<u8, Error> {
    sandbox::preflight()?;
    println!("ok       namespaces: this user can make them");
    if sandbox::maps_users() {
        println!("ok       users: labs can have users other than root");
    } else {
        println!(
            "limited  users: labs have no user but root; install `newuidmap` (package uidmap) \
             and give this user a range in /etc/subuid and /etc/subgid"
        );
    }
    println!(
        "ok       sessions live in {}",
        crate::stage::home()?.display()
    );
    Ok(status::DONE)
}
