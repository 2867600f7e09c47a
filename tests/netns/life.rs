//! A room's life from the outside: names, site, SSH, and that nothing of it is left in the end.

use crate::house::{BOX, House, ZONE};

#[test]
fn a_room_is_born_seen_and_leaves_no_trace() {
    let house = House::own();
    let before = house.picture();
    let room = house.room("wiki");
    assert_eq!(house.dig(&["wiki.piaule.test", "A"]), BOX);
    assert_eq!(house.dig(&["-x", &room.address.to_string()]), format!("wiki.{ZONE}."));
    assert_eq!(house.site("wiki"), "200");
    assert!(room.ssh(&["id"]).word().starts_with("uid=1000(student)"));
    room.does("archive");
    house.piaule(&["destroy", "wiki", "--yes"]).ok();
    house.is_again(&before);
}
