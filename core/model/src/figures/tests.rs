use proptest::prelude::*;

use super::*;

fn any_series() -> impl Strategy<Value = Series> {
    let figure = prop::sample::select(Figure::ALL);
    let kind = prop::sample::select(ErrorKind::ALL.to_vec());
    let part = prop_oneof![
        Just(Part::Whole),
        (any::<u8>(), any::<bool>()).prop_map(|(index, leads)| Part::Node { index, leads }),
        any::<bool>().prop_map(|encrypted| Part::Connections { encrypted }),
        kind.prop_map(Part::Error),
    ];
    (figure, 0_u16..30, part).prop_map(|(figure, shard, part)| Series {
        figure,
        shard,
        part,
    })
}

proptest! {
    #[test]
    fn a_series_is_read_as_it_is_written(series in any_series()) {
        prop_assert_eq!(series.to_string().parse(), Ok(series));
        prop_assert_eq!(Figure::of_code(series.figure.code()), Some(series.figure));
    }

    /// However samples are cut into parts, the parts add up to what they come to at once.
    #[test]
    fn parts_add_up_to_the_whole(samples in prop::collection::vec(0_u32..1_000_000, 1..200), cut in 1_usize..50) {
        let cell = |samples: &[u32]| {
            let mut cell = Cell::default();
            for sample in samples {
                cell.add(Cell::whole(u64::from(*sample)));
            }
            cell
        };
        let mut whole = Cell::default();
        for part in samples.chunks(cut) {
            whole.add(cell(part));
        }
        // Sums of whole numbers below 2^53 are exact in any order.
        prop_assert_eq!(whole, cell(&samples));
        prop_assert_eq!(whole.max, f64::from(*samples.iter().max().unwrap()));
        prop_assert_eq!(whole.count, samples.len() as u64);
    }
}

#[test]
fn no_two_figures_have_one_number() {
    let mut codes: Vec<u8> = Figure::ALL.iter().map(|figure| figure.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Figure::ALL.len());
}

#[test]
fn figures_are_a_map_of_words_and_what_is_unknown_is_left_out() {
    let text = r#"{"UsedMemory 0 1p":[2,6.0,2.0,4.0],"Moonlight 0":[1,1.0,1.0,1.0],"Hits 0 0r":[1,0.0,0.0,0.0]}"#;
    let figures: Figures = serde_json::from_str(text).unwrap();
    assert_eq!(figures.iter().count(), 2);
    let series = Series {
        figure: Figure::UsedMemory,
        shard: 0,
        part: Part::Node {
            index: 1,
            leads: true,
        },
    };
    assert_eq!(figures.get(&series).unwrap().average(), 3.0);
    let again = serde_json::to_string(&figures).unwrap();
    assert_eq!(
        again,
        r#"{"Hits 0 0r":[1,0.0,0.0,0.0],"UsedMemory 0 1p":[2,6.0,2.0,4.0]}"#
    );
    for odd in [
        "",
        "UsedMemory",
        "UsedMemory x",
        "UsedMemory 0 p",
        "UsedMemory 0 1x",
        "UsedMemory 0 999r",
    ] {
        assert!(odd.parse::<Series>().is_err(), "{odd}");
    }
}

#[test]
fn what_is_no_number_does_not_spoil_a_sum() {
    let mut cell = Cell::one(f64::NAN);
    cell.add(Cell::one(f64::INFINITY));
    cell.add(Cell::one(3.0));
    assert_eq!((cell.count, cell.total), (3, 3.0));
    cell.add(Cell::default());
    assert_eq!(cell.count, 3);
    assert_eq!(Cell::default().average(), 0.0);
}
