//! Rebuilds the crate when a migration is added, or when the database has something else to say about a statement: macros do not see new
//! files by themselves.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=.sqlx");
}
