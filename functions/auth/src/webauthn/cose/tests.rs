use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

/// Keys and their signatures of `message`, made with OpenSSL.
const SIGNED: [(&str, &str); 3] = [
    (
        "pQECAyYgASFYIAFe8Wry6p1S2HFbIJtgVsG5_rSUqvBqawFi3gSNjnHnIlggj_DMFZfOEZCumX7ZEJitbmvqj9NCyYzxZzH_xBT1jWI",
        "MEUCIQC_4NSxyfqHDoSUFoZ0TZUvJ7cao-6-UxELsmFRZSdcjAIgBK2BhucWcyjY77dmiVjoudhHzA-FdIOUz5hZ1cmSUMM",
    ),
    (
        "pAEBAycgBiFYIN3xAVfGh6s7yIFG0QIlYDAoeVj0bbMy41mD6CLky_nM",
        "G0CNkc3XuoVqklI8j7IcRn2dmFYLVudf99FAVeZDkabMtXiyLn3ScqKvzhtcL_Kmoa6zy-9Sk2YPj_1sDVOACg",
    ),
    (
        "pAEDAzkBACBZAQCiGvzgfKUbpAZ6jzbKu32Oy09IiVjkZ8S0REpsWqbGL-aesIqdobB9KTMggn9E7miIZecSD92gJ-JrKJrZVcTGe1qdBWy2nuikyhlilZDTltFvJ3kVVmqF5T_eS5u51FCBw4sK9J4nemwtbJ7rHZWFleh3lNUdMmbGnwN55elb0BjBQE3iBRaD-7AMHjwsW0ZYKix65CE1qSB9y9akrb6gQyRjLzmW184V7_NvVJjrAK-wxdbJhEJAT5H7c9asmFfysTiVr6F4ejhQOgBGKG5YrTuYr1Y-kYshc9Po-iO4TsryKid54odPgGQYu8Gpx1VadZN_5oHMgO9JhpRsvZ6NIUMBAAE",
        "Uumg_3jIFeM7mv58F1TtiZjOw8JXKbPTpZxc12IsKAJSMNpWVTZ9h8FlgJA_NO_Y19H0BbCqtw64nefxdlbq5av-Se7Jhyp1v8mvNKKuVpaqrZ3Ay7Gx3zjrymmlt7VUCFn3zhRXJfGkW6y6RECSmzwRpohM0Sx5ZjT4b70twmZaaaos30Kv220H2QAZtPEQwL9udna5cZH3ilZr-SykW_ieC7T7aWXphlj8KdXpe_DrrFk5IohMp-lyaEx4PkPqlP1Sjz-R-uYCY95pnxzrkLqm-r__r-hBHVK8STgg2JEac2LHswnkeAXuYHh242KeZWMiOFWxzMJwvqpYZJolZQ",
    ),
];

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn signatures_of_each_algorithm_are_verified() {
    for (key, signature) in SIGNED {
        let (key, mut signature) = (bytes(key), bytes(signature));
        let read = read(&key).unwrap();
        assert_eq!(read.encoded, key);
        assert!(read.key.verify(b"message", &signature));
        assert!(!read.key.verify(b"another message", &signature));
        signature[20] ^= 1;
        assert!(!read.key.verify(b"message", &signature));
        assert!(!read.key.verify(b"message", &[]));
    }
}

#[test]
fn a_key_ends_where_its_map_ends_and_no_part_of_one_is_read() {
    for (key, _) in SIGNED {
        let key = bytes(key);
        let with_extensions = [key.as_slice(), b"\xa1\x6bcredProtect\x02"].concat();
        assert_eq!(read(&with_extensions).unwrap().encoded, key);
        for length in 0..key.len() {
            assert!(read(&key[..length]).is_none(), "{length}");
        }
    }
}

#[test]
fn other_keys_are_refused() {
    let es256 = bytes(SIGNED[0].0);
    // The kind, the algorithm, and the curve; then a member of the wrong type, and one twice.
    for (at, byte) in [(2, 1), (4, 0x27), (6, 2), (8, 0x18), (1, 3)] {
        let mut other = es256.clone();
        other[at] = byte;
        assert!(read(&other).is_none(), "{at}");
    }
    for other in [
        &b""[..],
        b"\xa0",
        b"\xbf\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(read(other).is_none(), "{other:?}");
    }
}
