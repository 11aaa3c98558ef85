//! Databases, mail servers and Home Assistant, with real servers.

use serde_json::Value;

use crate::harness::{
    Broker, Database, MailServer, Process, client, eventually, form_event, multipart_event,
};

const PATIENCE: &str =
    "    retry: { initial: 100ms, max: 200ms, attempts: 0 }\n    breaker: { cool_down: 200ms }\n";

async fn post(camhook: &Process, (kind, body): (String, Vec<u8>)) {
    let request = client().post(&camhook.url).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

async fn fate(camhook: &Process, fate: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} are {fate}"), async || {
        camhook.rows(&["deliveries", "--fate", fate]).len() == count
    })
    .await;
    camhook.rows(&["deliveries", "--fate", fate])
}

fn rows_to(database: &Database, more: &str, sql: &str, values: &str) -> String {
    format!(
        "targets:\n  db:\n    postgres:\n      url: \"{}\"\n      sql: {sql}\n      values: {values}\n{more}{PATIENCE}routes:\n  - {{ to: [db], each: plate }}\n",
        database.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_every_type_is_written_once_also_after_an_outage() {
    let mut database = Database::start().await;
    database.sql(
        "CREATE TABLE plates (uid text PRIMARY KEY, plate text, score numeric, n int, seen timestamptz, data jsonb, \
         picture bytea, good bool, nothing text, words text[], encrypted bool)",
    );
    let folder = tempfile::tempdir().unwrap();
    let sql = "INSERT INTO plates VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT ssl FROM pg_stat_ssl WHERE pid = \
               pg_backend_pid())) ON CONFLICT (uid) DO NOTHING";
    let values = "[\"{{ event.camera.id }}\", \"{{ plate.text }}'); DROP TABLE plates; --\", \"{{ plate.score }}\", \"{{ 7.0 }}\", \
                  \"{{ event.occurred_at }}\", { camera: \"{{ event.camera.id }}\" }, \"{{ images.frame or images.vehicle or images.plate }}\", \"{{ true }}\", \
                  \"{{ none }}\", [a, \"b,c\"]]";
    let certificate = std::fs::read_to_string(database.certificate()).unwrap();
    std::fs::write(folder.path().join("db.pem"), certificate).unwrap();
    let more = "      tls: { ca: db.pem }\n";
    let camhook = Process::start(folder.path(), &rows_to(&database, more, sql, values));
    post(&camhook, multipart_event(1)).await;
    fate(&camhook, "delivered", 1).await;
    let row = database.sql(
        "SELECT plate, score > 0, n, seen IS NOT NULL, data->>'camera' = uid, length(picture) > 100, \
         substr(picture, 1, 2) = '\\xffd8', good, nothing IS NULL, words[2], encrypted FROM plates",
    );
    assert_eq!(
        row,
        "ab123cd'); DROP TABLE plates; --|t|7|t|t|t|t|t|t|b,c|t"
    );

    // The same uid again: the row is there, and that is told.
    post(&camhook, multipart_event(1)).await;
    let rows = fate(&camhook, "delivered", 2).await;
    let told = rows[0]["attempts"][0]["excerpt"].as_str();
    assert_eq!(told, Some("0 rows: it was there already"), "{}", rows[0]);
    assert_eq!(database.sql("SELECT count(*) FROM plates"), "1");

    // A kept connection does not survive the server; the event does.
    database.stop();
    post(&camhook, multipart_event(2)).await;
    eventually("a try has failed", async || {
        let rows = camhook.rows(&["deliveries"]);
        rows[0]["attempts"]
            .as_array()
            .is_some_and(|tries| !tries.is_empty())
    })
    .await;
    database.start_again().await;
    fate(&camhook, "delivered", 3).await;
    assert_eq!(database.sql("SELECT count(*) FROM plates"), "2");
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_is_understood() {
    let database = Database::start().await;
    database.sql("CREATE TABLE plates (score int)");
    let folder = tempfile::tempdir().unwrap();
    let sql = "INSERT INTO plates VALUES ($1)";
    let routes = rows_to(&database, "", sql, "[\"{{ plate.text }}\"]");
    // The server's certificate is nobody's that is trusted here.
    let routes = routes.replace("/postgres\"", "/postgres?sslmode=disable\"");
    let camhook = Process::start(folder.path(), &routes);
    post(&camhook, form_event(1)).await;
    let dead = fate(&camhook, "dead", 1).await;
    let error = dead[0]["attempts"][0]["error"].to_string();
    assert!(error.contains("22P02"), "{error}");
    camhook.stop();

    let folder = tempfile::tempdir().unwrap();
    let wrong = routes.replace("ro%3As%2Fe%4022", "not%2Fthe%40one");
    let camhook = Process::start(folder.path(), &wrong);
    post(&camhook, form_event(1)).await;
    let held = fate(&camhook, "held", 1).await;
    let error = held[0]["attempts"][0]["error"].to_string();
    assert!(error.contains("28P01"), "{error}");
    assert!(!held[0].to_string().contains("not%2Fthe"), "{error}");
    let secrets = camhook.get("/api/v1/targets").await.to_string();
    assert!(!secrets.contains("not%2Fthe") && !secrets.contains("not/the@one"));
    camhook.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_its_table_or_that_was_forgotten_costs_no_event() {
    let database = Database::start().await;
    let folder = tempfile::tempdir().unwrap();
    let sql = "INSERT INTO plates VALUES ($1)";
    let routes = rows_to(&database, "", sql, "[\"{{ plate.text }}\"]");
    let routes = routes.replace("/postgres\"", "/postgres?sslmode=disable\"");
    let camhook = Process::start(folder.path(), &routes);
    post(&camhook, form_event(1)).await;
    let held = fate(&camhook, "held", 1).await;
    let error = held[0]["attempts"][0]["error"].to_string();
    assert!(error.contains("42P01"), "{error}");

    // As behind a pooler, where another transaction has another server process: what was prepared is not there.
    database.sql(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NEW; END $$; \
         CREATE TABLE plates (plate text); CREATE TRIGGER forget AFTER INSERT ON plates FOR EACH ROW EXECUTE FUNCTION forget()",
    );
    fate(&camhook, "delivered", 1).await;
    for n in 2..=3 {
        post(&camhook, form_event(n)).await;
        let rows = fate(&camhook, "delivered", n).await;
        let tries = rows[0]["attempts"].as_array().unwrap();
        assert_eq!(tries.len(), 1, "{}", rows[0]);
    }
    camhook.stop();
}

fn mails_to(server: &MailServer, password: &str, to: &str) -> String {
    format!(
        "targets:\n  post:\n    smtp:\n      url: \"smtp://gate:{password}@127.0.0.1:{}\"\n      from: \"North gate <gate@example.com>\"\n      \
         to: \"{to}\"\n      subject: \"{{{{ plate.text }}}}\\r\\nBcc: all@example.com\"\n      text: \"Plate\\n.\\n{{{{ plate.text }}}} ü\"\n      \
         html: \"<b>{{{{ plate.text }}}}</b>\"\n      attach: [\"{{{{ images.frame or images.vehicle or images.plate }}}}\", \"{{{{ images.face }}}}\"]\n      \
         tls: {{ ca: \"{}\" }}\n{PATIENCE}routes:\n  - {{ to: [post], each: plate }}\n",
        server.port(),
        server.certificate().display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_handed_over_once_with_its_pictures_and_no_line_of_a_stranger() {
    let server = MailServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = mails_to(
        &server,
        "pas%3As%40word",
        "later@example.com, guard@example.com",
    );
    let camhook = Process::start(folder.path(), &routes);
    post(&camhook, multipart_event(1)).await;
    let rows = fate(&camhook, "delivered", 1).await;
    assert_eq!(rows[0]["attempts"][0]["status"], 451, "{}", rows[0]);
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let mail = mails[0]["mail"].as_str().unwrap();
    assert_eq!(mails[0]["tls"], true);
    assert_eq!(mails[0]["to"].as_array().unwrap().len(), 2);
    let id = format!(
        "Message-ID: <{}@example.com>",
        rows[0]["id"].as_str().unwrap()
    );
    assert!(mail.contains(&id), "{mail}");
    assert!(
        mail.contains("Subject: ab123cd  Bcc: all@example.com\r\n"),
        "{mail}"
    );
    assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    assert_eq!(
        mail.matches("Content-Type: image/jpeg").count(),
        1,
        "{mail}"
    );
    assert!(mail.contains("text/html"), "{mail}");
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_refuses_is_understood() {
    let server = MailServer::start().await;
    for (password, to, expected, told) in [
        ("pas%3As%40word", "never@example.com", "dead", "550"),
        ("not%2Fthe%40one", "guard@example.com", "held", "535"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let camhook = Process::start(folder.path(), &mails_to(&server, password, to));
        post(&camhook, multipart_event(1)).await;
        let rows = fate(&camhook, expected, 1).await;
        assert_eq!(
            rows[0]["attempts"][0]["status"].to_string(),
            told,
            "{}",
            rows[0]
        );
        assert!(!rows[0].to_string().contains("not/the@one"));
        camhook.kill();
    }
    assert!(server.mails().is_empty());
}

/// The statement that a preset's notes give, and what the presets make of one event, with the real systems.
#[tokio::test(flavor = "multi_thread")]
async fn the_presets_of_a_database_a_mail_server_and_a_broker_work_as_their_pages_say() {
    let (database, server, broker) =
        tokio::join!(Database::start(), MailServer::start(), Broker::start());
    let page = include_str!("../../presets/postgres.yaml");
    let table: Vec<&str> = page.split("```").collect();
    let table = table[1].strip_prefix("sql").unwrap();
    let made: Vec<&str> = table
        .lines()
        .filter(|line| !line.contains("GRANT"))
        .collect();
    database.sql(&made.join("\n"));
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "targets:\n\
         \x20 db: {{ preset: postgres, with: {{ url: \"{}?sslmode=disable\" }} }}\n\
         \x20 post: {{ preset: smtp, tls: {{ ca: \"{}\" }}, with: {{ url: \"smtp://gate:pas%3As%40word@127.0.0.1:{}\", \
         from: gate@example.com, to: guard@example.com }} }}\n\
         \x20 bus: {{ preset: mqtt, with: {{ url: \"{}\" }} }}\n\
         routes:\n  - {{ to: [db, post, bus], each: plate }}\n",
        database.url(),
        server.certificate().display(),
        server.port(),
        broker.url()
    );
    let mut ear = broker.listen("camhook/+/plate").await;
    let camhook = Process::start(folder.path(), &routes);
    post(&camhook, multipart_event(1)).await;
    let rows = fate(&camhook, "delivered", 3).await;
    let id = |target: &str| {
        let row = rows.iter().find(|row| row["target"] == target).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };

    let row = database
        .sql("SELECT uid, plate, score > 0, data->>'text', occurred_at IS NOT NULL FROM plates");
    assert_eq!(row, format!("{}|AB123CD|t|ab123cd|t", id("db")));
    let mails = server.mails();
    let mail = mails[0]["mail"].as_str().unwrap();
    assert!(mail.contains("Plate: AB123CD"), "{mail}");
    assert!(mail.contains("Content-Type: image/jpeg"), "{mail}");
    let long = std::time::Duration::from_secs(60);
    let (_, payload) = ear.message(long).await.unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (&payload["id"], &payload["plate"]),
        (&Value::from(id("bus")), &Value::from("AB123CD"))
    );
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_is_a_device_in_home_assistant_with_its_last_plate_and_picture() {
    let broker = Broker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "targets:\n  ha: {{ preset: home-assistant-mqtt, with: {{ url: \"{}\" }} }}\nroutes:\n  - {{ to: [ha], each: plate }}\n",
        broker.url()
    );
    let mut ear = broker.listen("camhook/+/plate").await;
    let camhook = Process::start(folder.path(), &routes);
    post(&camhook, multipart_event(1)).await;
    let rows = fate(&camhook, "delivered", 1).await;
    let long = std::time::Duration::from_secs(60);
    let (topic, payload) = ear.message(long).await.unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["event_type"], "plate");
    assert_eq!(payload["id"], rows[0]["id"]);
    let camera = topic.split('/').nth(1).unwrap();

    let config = broker
        .retained(&format!("homeassistant/device/camhook_{camera}/config"))
        .await
        .unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["avty_t"], "camhook/status");
    let parts = &config["cmps"];
    assert_eq!(parts["plate"]["val_tpl"], "{{ value_json.plate }}");
    let last = broker
        .retained(parts["plate"]["stat_t"].as_str().unwrap())
        .await;
    let last: Value = serde_json::from_slice(&last.unwrap()).unwrap();
    assert_eq!(last["plate"], "AB123CD");
    let picture = broker
        .retained(parts["picture"]["img_t"].as_str().unwrap())
        .await;
    assert!(picture.unwrap().starts_with(b"\xff\xd8\xff"));
    assert_eq!(parts["count"]["stat_t"], topic);
    assert_eq!(broker.retained("camhook/status").await.unwrap(), b"online");
    assert!(
        broker.retained(&topic).await.is_none(),
        "an event is not retained"
    );
    camhook.stop();
    assert_eq!(broker.retained("camhook/status").await.unwrap(), b"offline");
}
