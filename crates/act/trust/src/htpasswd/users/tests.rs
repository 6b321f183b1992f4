//! Files as `htpasswd`, `mkpasswd` and people write them. Hashes were made by glibc's `crypt`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW";
const SHA256: &str = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
const SHA512: &str = "$6$rounds=1400$anotherlongsalts$5FGyu8c4BZDX4wJgs0Un26YOw2XibT5eTkHF1I1aP3QqStoJI9BHD2YPJYsAjEePVGUyBjdZxcNqMWlrrbIOC.";

fn login(user: &str, password: &str) -> Login {
    let field = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    Login::read(field.as_bytes()).unwrap()
}

#[test]
fn each_kind_of_hash_lets_the_right_one_in() {
    let text = format!(
        "# of the house\n\nann:{BCRYPT}\r\nben:{SHA256}\ncid:{SHA512}\ndan:{}\n",
        BCRYPT.replace("$2b$", "$2y$")
    );
    let users = Users::read(text.as_bytes()).unwrap();
    for (user, password, expected) in [
        ("ann", "sesame", true),
        ("dan", "sesame", true),
        ("ben", "Hello world!", true),
        ("cid", "Hello world!", true),
        ("ann", "sesam", false),
        ("ann", "", false),
        ("ann", "Hello world!", false),
        ("ben", "sesame", false),
        ("cid", "hello world!", false),
        // Who is nobody is not let in with the password of whose hash is asked in its place.
        ("eve", "sesame", false),
        ("", "sesame", false),
        ("Ann", "sesame", false),
    ] {
        assert_eq!(users.take(&login(user, password)), expected, "{user} {password}");
    }
    assert!(!format!("{users:?}").contains('$'));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_without_its_hash() {
    for (line, said) in [
        ("ann", "no `:`"),
        (":$2b$04$x", "name is empty"),
        ("ann:sesame", "plain"),
        ("ann:", "plain"),
        ("ann:rqXexS6ZhobKA", "DES"),
        ("ann:$apr1$abc$def", "MD5"),
        ("ann:$1$abc$def", "MD5"),
        ("ann:{SHA}abc=", "SHA-1"),
        ("ann:$y$j9T$abc$def", "not known"),
        ("ann:$2b$31$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW", "2¹⁴"),
        ("ann:$2b$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85R", "cut short"),
        ("ann:$6$rounds=999999999$salt$x", "1,000,000"),
        ("ann:$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc", "cut short"),
    ] {
        let text = format!("ben:{SHA256}\n{line}\n");
        let complaints = Users::read(text.as_bytes()).unwrap_err();
        let [Complaint { line: Some(2), message, help }] = complaints.as_slice() else {
            panic!("{line}: {complaints:?}");
        };
        assert!(message.contains(said), "{line}: {message}");
        assert!(!message.contains('$') && !help.contains('$'));
    }
    let twice = Users::read(format!("ann:{SHA256}\nann:{BCRYPT}\n").as_bytes()).unwrap_err();
    assert_eq!((twice.len(), twice[0].line), (1, Some(2)));
    for nobody in ["", "\n\n", "# nobody\n"] {
        assert_eq!(Users::read(nobody.as_bytes()).unwrap_err()[0].line, None);
    }
    let other = "certificate\n".repeat(1000);
    assert_eq!(Users::read(other.as_bytes()).unwrap_err().len(), MOST_COMPLAINTS);
}

proptest! {
    #[test]
    fn any_file_ends_in_an_answer(text in prop::collection::vec(any::<u8>(), 0..200), line in "[a-z]{1,3}:\\$(2b|5|6)\\$[ -~]{0,90}") {
        let _ = Users::read(&text);
        if let Ok(users) = Users::read(line.as_bytes()) {
            prop_assert_eq!(users.hashes.len(), 1);
        }
    }
}
