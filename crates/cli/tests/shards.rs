//! Shards of one extraction, in processes of their own.

mod eight;

#[test]
fn eight_shards_in_a_folder_are_the_store_of_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("depot");
    eight::same_as_one_process(folder.path(), place.to_str().expect("UTF-8"), &[]);
}

#[cfg(not(feature = "object-store"))]
#[test]
fn a_bucket_without_the_feature_is_refused_by_its_name() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_toolken"))
        .args(["extract", "merge", "s3://bucket/features"])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--features object-store"), "{said}");
}
