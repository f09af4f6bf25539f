use super::*;

const FRAME: Duration = Duration::from_millis(33);

/// An encoder that always makes what it may, as of a moving picture.
struct Simulation {
    adaptation: Adaptation,
    full: Full,
    now: MediaTime,
    changes: usize,
    last: Option<Form>,
}

impl Simulation {
    fn of(content: Content) -> Self {
        Self {
            adaptation: Adaptation::new(),
            full: Full {
                size: Resolution::HD,
                fps: 30,
                content,
            },
            now: MediaTime::default(),
            changes: 0,
            last: None,
        }
    }

    /// Height and frame rate after `seconds` at a bitrate; nothing where no picture is made.
    fn run(&mut self, kbps: u32, seconds: f64) -> Option<(u32, u32)> {
        self.run_making(kbps, kbps, seconds)
    }

    fn run_making(&mut self, kbps: u32, made: u32, seconds: f64) -> Option<(u32, u32)> {
        let end = self.now.plus(Duration::from_secs_f64(seconds));
        while self.now < end {
            self.now = self.now.plus(FRAME);
            let (bitrate, made) = (Bitrate::from_kbps(kbps), Bitrate::from_kbps(made));
            let form = self.adaptation.choose(self.now, self.full, bitrate, made);
            if form.is_some() {
                self.adaptation
                    .made((f64::from(made.bps()) * FRAME.as_secs_f64() / 8.0) as usize);
            }
            self.changes += usize::from(form != self.last);
            self.last = form;
        }
        self.last.map(|form| (form.size.height, form.fps.round() as u32))
    }
}

#[test]
fn bits_go_first_then_pictures_then_pixels_and_all_comes_back() {
    let mut camera = Simulation::of(Content::Camera);
    let down = [4_000, 1_000, 700, 600, 350, 300, 200, 100, 50, 30];
    let seen = down.map(|kbps| camera.run(kbps, 3.0).expect("a picture"));
    assert_eq!(
        seen,
        [
            (720, 30),
            (720, 30),
            (720, 30),
            (720, 15),
            (720, 15),
            (540, 15),
            (360, 15),
            (180, 15),
            (180, 8),
            (180, 8)
        ]
    );
    let up = [100, 200, 350, 600, 1_000, 4_000];
    let seen = up.map(|kbps| camera.run(kbps, 3.0).expect("a picture"));
    assert_eq!(seen, [(180, 15), (360, 15), (540, 15), (720, 15), (720, 30), (720, 30)]);
}

#[test]
fn a_screen_gives_up_pictures_before_pixels() {
    let mut screen = Simulation::of(Content::Screen);
    let seen = [4_000, 400, 200, 150, 100].map(|kbps| screen.run(kbps, 3.0).expect("a picture"));
    assert_eq!(seen, [(720, 30), (720, 15), (720, 8), (540, 8), (360, 8)]);
}

#[test]
fn a_fall_goes_all_the_way_within_a_second_and_the_frame_rate_at_once() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run(2_500, 5.0);
    assert_eq!(camera.run(200, 0.033), Some((720, 15)));
    assert_eq!(camera.run(200, 1.0), Some((360, 15)));
}

#[test]
fn a_short_dip_costs_no_keyframe() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run(2_500, 5.0);
    camera.run(100, 0.3);
    camera.run(2_500, 5.0);
    assert_eq!(camera.run(2_500, 0.1), Some((720, 30)));
    assert_eq!(
        camera.changes, 3,
        "the start, half the frame rate, and back: never the size"
    );
}

#[test]
fn below_all_pictures_there_is_none_and_it_comes_back() {
    let mut camera = Simulation::of(Content::Camera);
    assert_eq!(camera.run(2_500, 1.0), Some((720, 30)));
    assert_eq!(camera.run(10, 2.0), None);
    // Nothing is made while there is no picture, which is no reason to stay without one.
    assert_eq!(camera.run_making(25, 0, 10.0), None);
    assert_eq!(camera.run_making(100, 0, 3.0), Some((180, 15)));
}

#[test]
fn whoever_does_not_use_its_bits_keeps_its_size() {
    let mut screen = Simulation::of(Content::Screen);
    screen.run(2_500, 2.0);
    assert_eq!(screen.run_making(100, 20, 20.0), Some((720, 30)));
    assert_eq!(
        screen.run_making(100, 100, 2.0),
        Some((360, 8)),
        "until something moves"
    );
}

#[test]
fn a_bitrate_that_swings_around_a_bound_changes_the_picture_ever_more_seldom() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run(2_500, 1.0);
    let mut changes = Vec::new();
    for _ in 0..4 {
        let before = camera.changes;
        // Three seconds that carry 720 lines, two that do not, for half a minute.
        for _ in 0..6 {
            camera.run(460, 3.0);
            camera.run(260, 2.0);
        }
        changes.push(camera.changes - before);
    }
    assert!(changes[0] <= 6, "{changes:?}");
    assert_eq!(changes[1..], [0, 0, 0], "a rise that never holds is not tried any more");
    assert_eq!(camera.run(1_000, 40.0), Some((720, 30)), "and is, when it lasts");
}

#[test]
fn small_pictures_are_not_made_smaller() {
    let mut camera = Simulation::of(Content::Camera);
    camera.full.size = Resolution::new(320, 180);
    assert_eq!(camera.run(40, 3.0), Some((180, 8)));
    camera.full.size = Resolution::new(360, 640);
    assert_eq!(
        camera.run(60, 3.0),
        Some((320, 15)),
        "180 columns of an upright picture"
    );
}

#[test]
fn a_spared_layer_is_left_out_rather_than_made_worse() {
    let mut layer = Simulation {
        adaptation: Adaptation::all_or_nothing(),
        ..Simulation::of(Content::Camera)
    };
    assert_eq!(layer.run(700, 3.0), Some((720, 30)));
    assert_eq!(layer.run(600, 3.0), None);
    assert_eq!(layer.run_making(800, 0, 5.0), None, "not enough to come back with");
    assert_eq!(layer.run_making(950, 0, 3.0), Some((720, 30)));
}

#[test]
fn an_encoder_that_makes_too_much_gets_a_smaller_picture() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run(500, 3.0);
    assert_eq!(camera.run_making(500, 490, 60.0), Some((720, 15)));
    // Ahead by 0.6 s each second.
    assert_eq!(camera.run_making(500, 800, 3.0), Some((720, 15)));
    assert_eq!(camera.run_making(500, 800, 1.0), Some((540, 15)));
    assert_eq!(camera.run_making(500, 800, 4.0), Some((360, 15)), "still too much");
    assert_eq!(camera.run_making(500, 800, 60.0), Some((180, 8)), "a picture there is");
    assert_eq!(camera.run(500, 40.0), Some((720, 15)), "and it comes back");
}

#[test]
fn what_is_too_much_by_turns_is_too_much() {
    let mut camera = Simulation::of(Content::Camera);
    assert_eq!(camera.run(80, 10.0), Some((180, 15)));
    // As of an encoder that is asked for keyframes again and again.
    for _ in 0..2 {
        camera.run_making(80, 85, 1.0);
        camera.run_making(80, 170, 1.0);
    }
    assert_eq!(camera.run(80, 0.1), Some((180, 8)));
}

#[test]
fn a_keyframe_alone_costs_no_size() {
    let mut screen = Simulation::of(Content::Screen);
    screen.run(700, 3.0);
    for _ in 0..20 {
        // 150 kB, of which 700 kb/s carry 1.7 s.
        screen.adaptation.made(150_000);
        screen.run_making(700, 20, 2.0);
    }
    assert_eq!(screen.run_making(700, 20, 1.0), Some((720, 30)));
}

#[test]
fn what_is_too_much_for_an_encoder_is_tried_ever_more_seldom() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run(500, 3.0);
    let mut changes = Vec::new();
    for _ in 0..4 {
        let before = camera.changes;
        for _ in 0..60 {
            let too_much = camera.last.is_some_and(|form| form.size.height > 540);
            camera.run_making(500, if too_much { 900 } else { 490 }, 1.0);
        }
        changes.push(camera.changes - before);
    }
    assert!(
        changes[0] <= 10 && changes[1..].iter().all(|changes| *changes <= 4),
        "{changes:?}"
    );
}

#[test]
fn a_line_that_becomes_wide_is_not_kept_waiting_for_what_was_too_much_for_the_narrow_one() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run(500, 3.0);
    assert_eq!(camera.run_making(500, 900, 60.0), Some((180, 8)));
    assert_eq!(camera.run(900, 3.0), Some((180, 8)), "not twice as much");
    assert_eq!(camera.run(2_500, 3.0), Some((720, 30)));
}

#[test]
fn what_was_made_before_a_fall_of_the_bitrate_is_not_held_against_the_encoder() {
    let mut camera = Simulation::of(Content::Camera);
    camera.run_making(2_500, 2_700, 4.0);
    camera.run_making(700, 2_500, 0.3);
    assert_eq!(camera.run(700, 5.0), Some((720, 30)));
}
