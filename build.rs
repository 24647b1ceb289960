fn main() {
    #[cfg(feature = "binding")]
    napi_build::setup();
    fold_identical_code();
}

/// Some percent of the addon are the same code for other types. Where the linker is Rust's own (LLD), it keeps one copy
/// of it; Rust promises no function an address of its own, so nothing can report.
fn fold_identical_code() {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|it| it == value);
    let own_linker = std::env::var_os("RUSTC_LINKER").is_none();
    if is("TARGET", "x86_64-unknown-linux-gnu") && is("PROFILE", "release") && own_linker {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--icf=all");
    }
}
