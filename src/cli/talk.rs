//! `print!` and its kin for this room: a reader that went away (`kubedrill list | head`),
//! or a terminal that was closed, is no reason to panic.

macro_rules! print {
    ($($words:tt)*) => {{
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stdout(), format_args!($($words)*));
    }};
}

macro_rules! println {
    () => { print!("\n") };
    ($($words:tt)*) => {{
        let words = format!($($words)*) + "\n";
        let _ = ::std::io::Write::write_all(&mut ::std::io::stdout(), words.as_bytes());
    }};
}

macro_rules! eprint {
    ($($words:tt)*) => {{
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stderr(), format_args!($($words)*));
    }};
}

macro_rules! eprintln {
    () => { eprint!("\n") };
    ($($words:tt)*) => {{
        let words = format!($($words)*) + "\n";
        let _ = ::std::io::Write::write_all(&mut ::std::io::stderr(), words.as_bytes());
    }};
}
