use super::*;

#[test]
fn sha1_equals_the_standard() {
    assert_eq!(sha1::first_u64(b"abc"), 0xa999_3e36_4706_816a);
    assert_eq!(sha1::first_u64(b""), 0xda39_a3ee_5e6b_4b0d);
}

#[test]
fn the_ids_of_a_default_member_are_those_everyone_knows() {
    // What `etcd` with no flags calls itself: 8e9e05c52164694d in cluster cdf818194e3a8c32.
    let id = member_id(&["http://localhost:2380".into()], "etcd-cluster", None);
    assert_eq!(id, 0x8e9e_05c5_2164_694d);
    assert_eq!(cluster_id([id]), 0xcdf8_1819_4e3a_8c32);
}
