use sqlx::Row;

use super::*;

fn instant() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

async fn rows(folder: &Path, query: &'static str) -> Vec<String> {
    let mut connection = SqliteConnectOptions::new().filename(folder.join(FILE)).connect().await.unwrap();
    let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_watch_keeps_its_identity() {
    let folder = tempfile::tempdir().unwrap();
    let mut identities = Vec::new();
    for _ in 0..2 {
        let (file, _) = StateFile::open(folder.path(), instant()).await.unwrap();
        file.close().await;
        identities.push(rows(folder.path(), "SELECT value FROM meta WHERE key IN ('watch', 'created') ORDER BY key").await);
    }
    assert_eq!(identities[0], identities[1]);
    assert_eq!(identities[0][0], instant().to_rfc3339());
    assert_eq!(identities[0][1].len(), 16);
}

#[tokio::test]
async fn an_older_file_is_migrated_with_a_copy_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = StateFile::open(folder.path(), instant()).await.unwrap();
    file.close().await;
    let next = [MIGRATIONS, &["CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;"]].concat();
    let (known, newer) = (MIGRATIONS.len() as u32, next.len() as u32);
    let (file, _) = StateFile::open_with(folder.path(), instant(), &next).await.unwrap();
    file.close().await;
    assert_eq!(rows(folder.path(), "SELECT name FROM sqlite_schema WHERE name = 'later'").await, ["later"]);
    assert_eq!(version_in_header(&folder.path().join(FILE)), newer);
    assert_eq!(version_in_header(&folder.path().join(format!("state.db.version-{known}"))), known);
    let refused = StateFile::open(folder.path(), instant()).await.err().unwrap().to_string();
    assert_eq!(refused, format!("version {newer} of its tables is newer than {known}"));
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = StateFile::open(folder.path(), instant()).await.unwrap();
    file.close().await;
    let next = [MIGRATIONS, &["CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT; DROP TABLE nowhere;"]].concat();
    assert!(StateFile::open_with(folder.path(), instant(), &next).await.is_err());
    let (file, _) = StateFile::open(folder.path(), instant()).await.unwrap();
    file.close().await;
    assert!(rows(folder.path(), "SELECT name FROM sqlite_schema WHERE name = 'later'").await.is_empty());
}

#[tokio::test]
async fn no_damage_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = StateFile::open(folder.path(), instant()).await.unwrap();
    file.close().await;
    let sound = fs::read(folder.path().join(FILE)).unwrap();
    // Steps that no structure of the file is a multiple of.
    for place in (0..sound.len()).step_by(sound.len() / 97) {
        let damaged = tempfile::tempdir().unwrap();
        let mut bytes = sound.clone();
        for byte in bytes.iter_mut().skip(place).take(200) {
            *byte = !*byte;
        }
        fs::write(damaged.path().join(FILE), bytes).unwrap();
        if let Ok((file, _)) = StateFile::open(damaged.path(), instant()).await {
            file.close().await;
        }
    }
}
