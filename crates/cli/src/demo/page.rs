//! The demo as a page.
pub fn html(_: &super::Found) -> anyhow::Result<String> {
    Ok(String::new())
}
