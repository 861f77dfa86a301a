"""The command on videos: files and folders, what is kept and what is said."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
import wave

import av
import numpy as np
import pytest
from PIL import Image
from reliability.commands import kill, start, wait_for

from clips import pan, psnr, read, sounds, square, write
from conftest import ROOT, run
from inpainting_zoo import cli
from inpainting_zoo.inpainting import inpaint as command
from inpainting_zoo.models.completer import Completer

TRUTH = pan(10)
HOLES = square(TRUTH)
CLIP = np.where(HOLES[..., None] > 0, np.uint8(0), TRUTH)
KNOWN = HOLES == 0


class Grey(Completer):
    """A model that paints holes grey."""

    image_size = 64

    def predict_images(self, images, masks, seed=0):
        return np.full_like(images, 99)


@pytest.fixture(autouse=True)
def grey(monkeypatch):
    """Commands in this process take seconds less without a real model."""
    monkeypatch.setattr(command, "identified", lambda _: ("grey", lambda: "none", Grey))


@pytest.fixture
def mask(tmp_path):
    """One mask for every frame."""
    return save(tmp_path / "mask.png", HOLES[0] * 255)


@pytest.fixture
def clip(tmp_path):
    return write(tmp_path / "clip.mkv", CLIP)


def save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def inpaint(video, mask, save_to, *options):
    paths = ("-video", video, "-mask", mask, "-save_to", save_to, *options)
    return cli.main(["inpaint", *map(str, paths)])


def folder(path):
    """The pictures of a folder, uint8 (T, H, W, 3)."""
    return np.stack([np.asarray(Image.open(f)) for f in sorted(path.glob("*.png"))])


def test_a_terminal_shows_how_far_it_is_and_how_long_it_takes(tmp_path, clip, mask):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    paths = ("-video", clip, "-mask", mask, "-save_to", tmp_path / "out")
    words = [sys.executable, ROOT / "runner.py", "inpaint", *paths]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while found := os.read(ours, 4096):
            shown += found
    os.close(ours)
    assert process.wait() == 0
    assert re.search(rb"inpaint: +\d+%.*\| \d+/10 \[\d\d:\d\d<", shown), shown


def test_a_stranger_completes_a_video_by_one_command(tmp_path, clip, mask):
    """In a process of its own, with PatchMatch, which loads no engine."""
    paths = ("-video", clip, "-mask", mask, "-save_to", tmp_path / "out.mkv")
    found = run("inpaint", *paths, "-preset", "patchmatch")
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert "out.mkv: ok, 10 frames, 0 of them done before" in found.stdout
    completed = read(tmp_path / "out.mkv")
    np.testing.assert_array_equal(completed[KNOWN], CLIP[KNOWN])
    assert psnr(TRUTH, completed, HOLES > 0) > 35
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "clip.mkv",
        "mask.png",
        "out.mkv",
    ]


def test_every_form_of_video_and_mask_means_the_same(tmp_path, clip, mask):
    for i, (frame, hole) in enumerate(zip(CLIP, HOLES)):
        save(tmp_path / "frames" / f"f{i}.png", frame)
        save(tmp_path / "masks" / f"f{i}_mask.png", hole * 255)
    masks = write(tmp_path / "masks.mp4", np.repeat(HOLES[..., None] * 255, 3, axis=3),
                  codec="libx264", pixels="yuv420p", options={"crf": "10"})  # fmt: skip
    assert inpaint(clip, mask, tmp_path / "one.mkv") == 0
    wanted = read(tmp_path / "one.mkv")
    cases = [(clip, masks), (clip, tmp_path / "masks")]
    cases += [(tmp_path / "frames", x) for x in (mask, masks, tmp_path / "masks")]
    for i, pair in enumerate(cases):
        assert inpaint(*pair, tmp_path / f"out{i}") == 0
        np.testing.assert_array_equal(folder(tmp_path / f"out{i}"), wanted)
    assert (tmp_path / "out4/f0.png").exists()  # named as its frame
    assert (tmp_path / "out0/000000.png").exists()


def test_frames_and_masks_go_by_their_numbers(tmp_path, clip):
    """9 before 10, for a video file; by name for a folder of frames."""
    moving = np.stack([np.roll(hole, i, axis=1) for i, hole in enumerate(HOLES)])
    for i, hole in enumerate(moving):
        save(tmp_path / "masks" / f"{i + 5}.png", hole * 255)
    assert inpaint(clip, tmp_path / "masks", tmp_path / "out", "-per_frame") == 0
    grey = (folder(tmp_path / "out") == 99).all(axis=3)
    assert grey[moving > 0].all()


def test_times_rate_sound_and_metadata_are_kept(tmp_path, mask):
    times = [0, 24, 60, 72, 96, 132, 144, 168, 204, 216]  # uneven
    video = write(tmp_path / "in.mp4", TRUTH, codec="libx264", pixels="yuv420p",
                  times=times, sound="aac")  # fmt: skip
    for name in ("out.mkv", "out.mp4"):
        assert inpaint(video, mask, tmp_path / name) == 0
        with av.open(str(video)) as one, av.open(str(tmp_path / name)) as other:
            streams = one.streams.video[0], other.streams.video[0]
            if name == "out.mp4":
                assert streams[0].time_base == streams[1].time_base
            seconds = [[f.time for f in c.decode(video=0)] for c in (one, other)]
        before, after = sounds(video), sounds(tmp_path / name)
        assert [content for _, content in before] == [content for _, content in after]
        # Matroska counts milliseconds, and from 0 on: AAC begins before that.
        shift = [s - t for (s, _), (t, _) in zip(before, after)]
        assert np.ptp([*shift, *np.subtract(*seconds)]) < 2e-3


def test_a_turned_video_is_completed_upright_and_stays_turned(tmp_path):
    stored = np.rot90(CLIP, -1, axes=(1, 2))
    video = write(tmp_path / "in.mkv", stored, rotation=90)
    mask = save(tmp_path / "mask.png", HOLES[0] * 255)  # as one sees it
    for name in ("out.mkv", "out.mp4", "out"):
        assert inpaint(video, mask, tmp_path / name) == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 90
    completed = read(tmp_path / "out.mkv")
    upright = np.rot90(completed, 1, axes=(1, 2))
    np.testing.assert_array_equal(upright[KNOWN], CLIP[KNOWN])
    np.testing.assert_array_equal(folder(tmp_path / "out"), upright)


@pytest.mark.parametrize("side", [0, 1])
def test_lossy_formats_say_so(tmp_path, mask, capsys, side):
    """Odd sizes as well, which H.264's usual pixels do not have."""
    video = write(tmp_path / "in.mkv", CLIP[:, : 48 - side, : 64 - side])
    save(mask, HOLES[0][: 48 - side, : 64 - side] * 255)
    assert inpaint(video, mask, tmp_path / "out.mp4") == 0
    said = capsys.readouterr().err
    assert "save_to: .mp4 changes known pixels a little; .mkv and a folder keep" in said
    completed = read(tmp_path / "out.mp4")
    truth, known = (x[:, : 48 - side, : 64 - side] for x in (CLIP, KNOWN))
    assert completed.shape == truth.shape
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].average_rate == 25
    assert 25 < psnr(truth, completed, known) < 60


def test_what_is_lost_is_said(tmp_path, mask, capsys):
    video = write(tmp_path / "in.mkv", CLIP, pixels="gbrp10le", sound="aac")
    assert inpaint(video, mask, tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "video: gbrp10le is completed as RGB of 8 bits" in said
    assert "save_to: a folder of frames holds no sound" in said
    assert inpaint(tmp_path / "out", mask, tmp_path / "out.mkv") == 0
    assert "has no rate, 25 frames a second are written" in capsys.readouterr().err
    found = read(tmp_path / "out.mkv"), folder(tmp_path / "out")
    np.testing.assert_array_equal(*(pixels[KNOWN] for pixels in found))


def test_holes_that_may_not_be_meant_are_said(tmp_path, clip, capsys):
    nothing = save(tmp_path / "nothing.png", HOLES[0] * 0)
    assert inpaint(clip, nothing, tmp_path / "out.mkv") == 0
    said = capsys.readouterr().err
    assert said == (
        "warning: mask: no pixel of any frame is hole, the video stays as it is\n"
    )
    np.testing.assert_array_equal(read(tmp_path / "out.mkv"), CLIP)
    much = save(tmp_path / "much.png", 255 - HOLES[0] * 255)
    assert inpaint(clip, much, tmp_path / "much.mkv") == 0
    assert "if the mask is inverted, use -invert_mask" in capsys.readouterr().err
    assert inpaint(clip, much, tmp_path / "right.mkv", "-invert_mask") == 0
    assert capsys.readouterr().err == ""


def test_per_frame_is_each_frame_alone(tmp_path, clip, mask):
    assert inpaint(clip, mask, tmp_path / "out.mkv", "-per_frame") == 0
    completed = read(tmp_path / "out.mkv")
    assert (completed[HOLES > 0] == 99).all()
    np.testing.assert_array_equal(completed[KNOWN], CLIP[KNOWN])


def test_holes_are_widened_and_fade(tmp_path, clip, mask):
    ring = ("-mask_dilation", 2, "-feathering", 2, "-per_frame")
    assert inpaint(clip, mask, tmp_path / "out.mkv", *ring) == 0
    changed = (read(tmp_path / "out.mkv") != CLIP).any(axis=3)
    assert changed[:, 16:32, 26:38].mean() > 0.9  # two pixels above and below
    assert not changed[:, :16].any() and not changed[:, 33:].any()


def test_a_rerun_does_nothing_and_other_options_do_it_again(
    tmp_path, clip, mask, capsys
):
    for name in ("out.mkv", "out"):
        assert inpaint(clip, mask, tmp_path / name) == 0
        capsys.readouterr()
        assert inpaint(clip, mask, tmp_path / name) == 0
        said = capsys.readouterr().out
        assert "done before" in said and " 0 of them" not in said
        assert inpaint(clip, mask, tmp_path / name, "-per_frame") == 0
        assert " 0 of them done before" in capsys.readouterr().out
    rows = (tmp_path / "out/ledger.jsonl").read_text().splitlines()
    assert [json.loads(row)["status"] for row in rows] == ["ok"] * 10
    assert not list((tmp_path / "out").glob(".*"))


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_frames(
    tmp_path, clip, mask, monkeypatch, capsys
):
    """Between windows, within one, and while the file is written."""
    from inpainting_zoo.video import job, windows

    monkeypatch.setattr(job, "window_length", lambda shape: 3)
    monkeypatch.setattr(windows, "AHEAD", 1)
    assert inpaint(clip, mask, tmp_path / "straight.mkv") == 0
    former = job.VideoJob._save
    for stop in (1, 3, 5, 9, 10):
        output, written = tmp_path / f"{stop}.mkv", []

        def save(self, *arguments, until=stop, written=written):
            if len(written) == until:
                raise KeyboardInterrupt
            written.append(arguments[0])
            former(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(job.VideoJob, "_save", save)
            if stop == 10:
                patch.setattr(job, "write_video", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    inpaint(clip, mask, output)
            else:
                assert inpaint(clip, mask, output) == 130
        assert not output.exists()
        capsys.readouterr()
        assert inpaint(clip, mask, output) == 0
        done = 10 if stop == 10 else stop // 3 * 3
        assert f"{done} of them done before" in capsys.readouterr().out
        np.testing.assert_array_equal(read(output), read(tmp_path / "straight.mkv"))
        assert not output.with_name(f"{stop}.mkv.frames").exists()


@pytest.mark.long
def test_killed_and_run_again_equals_never_killed(tmp_path, mask):
    """SIGKILL of a process of its own, once windows are done."""
    truth = pan(130, shift=1)
    video = write(tmp_path / "in.mkv", truth)
    paths = ("-video", video, "-mask", mask, "-save_to")
    frames = tmp_path / "killed.mkv.frames"
    process = start("inpaint", *paths, tmp_path / "killed.mkv")
    wait_for(process, lambda: len(list(frames.glob("*.png"))) > 82)
    kill(process)
    found = run("inpaint", *paths, tmp_path / "killed.mkv")
    assert found.returncode == 0 and "80 of them done before" in found.stdout
    found = run("inpaint", *paths, tmp_path / "straight.mkv")
    assert found.returncode == 0
    killed, straight = (read(tmp_path / f"{x}.mkv") for x in ("killed", "straight"))
    np.testing.assert_array_equal(killed, straight)
    assert not frames.exists() and psnr(truth, killed, slice(None)) > 40


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    """Of the command, at 100 and at 3,000 frames; a quarter of these would be seen."""
    there = pan(100, shift=1, size=(96, 128))
    truth = np.concatenate([there, there[-2:0:-1]])  # and back: nowhere is a cut
    mask = save(tmp_path / "mask.png", square(truth, 24)[0] * 255)
    program = """if True:
        import sys
        from inpainting_zoo import cli, environment
        assert cli.main(sys.argv[1:]) == 0
        print("peak", environment.peak_memory())
    """
    peaks = {}
    for length in (100, 3000):
        video = write(tmp_path / "in.mkv", np.resize(truth, (length, *truth.shape[1:])))
        words = ("-video", video, "-mask", mask, "-save_to", tmp_path / f"{length}.mkv")
        command = [sys.executable, "-c", program, "inpaint", *map(str, words)]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[length] = float(found.stdout.split()[-1])
    print(f"peak memory in MB by frames: {peaks}")
    frames = (3000 - 100) * truth[0].nbytes / 2**20  # 102 MB
    assert peaks[3000] < peaks[100] + frames / 4, peaks


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"-video": "none.mkv"}, "-video: must be a video that can be read to its end"),
        ({"-video": "mask.png"}, "-video: must be a video or a folder of frames"),
        ({"-video": "text.mkv"}, "-video: must be a video that can be read to its end"),
        ({"-video": "sound.wav"}, "-video: must hold a video stream"),
        ({"-video": "empty"}, "-video: must hold frames as pictures"),
        ({"-video": "twice"}, "-video: must hold one frame of a name"),
        ({"-mask": "none.png"}, "'none.png': must be a readable picture"),
        ({"-mask": "small.png"}, "-mask: must have the picture's aspect"),
        (
            {"-mask": "short.mkv"},
            "-mask: must have as many frames as the video, 10, re",
        ),
        ({"-mask": "clip.mkv"}, "-save_to: must not be"),
        ({"-save_to": "clip.mkv"}, "-save_to: must not be the video nor the mask"),
        ({"-save_to": "mask.png"}, "-save_to: one of .mkv, .mp4"),
        ({"-save_to": "out.avi"}, "-save_to: one of .mkv, .mp4, received '.avi'"),
        ({"-save_to": "other.mkv"}, "-save_to: must replace nothing but a video that"),
        ({"-save_to": "mine"}, "-save_to: must replace nothing but outputs of a run"),
        ({"-save_to": "theirs"}, "-save_to: must hold no ledger.jsonl but that of a"),
        ({"-max_pixels": 100}, "-video: must have frames of at most 100 pixels"),
        ({"-image": "mask.png"}, "-video: must not be given with -image"),
        ({"-variants": 2}, "-variants: must not be given with -video, received 2"),
        ({"-mask_from": "alpha"}, "-mask_from: must not be given with -video"),
        ({"-in_place": None}, "-in_place: must not be given with -video"),
        ({"-mask": "short.mkv", "-mask_label": 1}, "-mask_label: needs masks as pict"),
        ({"-with": "patch_size=3"}, "-with: one of (this model takes none)"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(
    tmp_path, clip, mask, options, said, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "other.mkv")
    (tmp_path / "text.mkv").write_text("no video " * 99)
    write("short.mkv", CLIP[:9])
    save(tmp_path / "small.png", HOLES[0][:40] * 255)
    save(tmp_path / "twice/a.png", CLIP[0])
    save(tmp_path / "twice/a.jpg", CLIP[0])
    save(tmp_path / "mine/000003.png", CLIP[0])
    (tmp_path / "empty").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/ledger.jsonl").write_text("dear diary\n")
    with wave.open("sound.wav", "wb") as output:
        output.setparams((1, 2, 8000, 0, "NONE", None))
        output.writeframes(bytes(2000))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    given = {"-video": "clip.mkv", "-mask": "mask.png", "-save_to": "out.mkv"}
    if options == {"-mask": "clip.mkv"}:
        given["-save_to"] = "clip.mkv"
    words = [
        str(w) for pair in (given | options).items() for w in pair if w is not None
    ]
    assert cli.main(["inpaint", *words]) == 4
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert len(lines) == 1 and lines[0].startswith(f"error: {said}"), lines
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert before == after


def test_a_video_that_is_cut_off_keeps_what_is_done(tmp_path, mask, capsys):
    video = write(tmp_path / "in.mkv", np.concatenate([CLIP] * 3))
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    video.write_bytes(content)
    code = inpaint(video, mask, tmp_path / "out.mkv", "-per_frame")
    assert code in (0, 4)
    if code:
        assert "-video: must be a video that can be read" in capsys.readouterr().err
        assert not (tmp_path / "out.mkv").exists()


def test_a_format_that_cannot_hold_the_sound_is_refused(tmp_path, mask, capsys):
    video = write(tmp_path / "in.mkv", CLIP, sound="tta")
    assert inpaint(video, mask, tmp_path / "out.mp4") == 4
    said = capsys.readouterr().err
    assert "-save_to: .mp4 must be able to hold the sound of the video" in said
    assert "tta; .mkv holds any" in said
    assert inpaint(video, mask, tmp_path / "out.mkv") == 0


def test_without_the_extra_one_line_says_what_to_install(tmp_path):
    """And pictures need it for nothing."""
    program = "import sys; sys.modules['av'] = None; from inpainting_zoo import cli; "
    program += "sys.exit(cli.main(sys.argv[1:]))"
    words = ["inpaint", "-video", "a.mkv", "-mask", "b.png", "-save_to", "c.mkv"]
    found = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True
    )
    assert found.returncode == 4
    assert found.stderr.startswith('error: -video: needs what `pip install ".[video]')
