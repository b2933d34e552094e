"""backup, restore, doctor, pin: what they print, and their exit codes."""

from tests.cli.terminal import run

import onward


def test_a_disaster_and_back(shop, tmp_path):
    kept = tmp_path / "kept"
    first = run("backup", kept, "--workspace", shop, "--json").value
    assert first["snapshot"]["rows"]["interactions"] == 210
    assert first["pruned"] is None
    shown = run("backup", kept, "--workspace", shop, "--keep", "1").out
    assert "210 interactions, 2 versions" in shown
    assert "0 B written" in shown
    assert "Let go: 1 older snapshots" in shown
    listed = run("backup", kept, "--list")
    assert len([line for line in listed.out.splitlines() if line.startswith("sn_")]) == 1
    assert len(run("backup", kept, "--list", "--json").value) == 1
    restored = run("restore", kept, tmp_path / "back")
    assert (restored.code, "210 interactions, version 1 is in service" in restored.out) == (0, True)
    assert f"Next: onward --workspace {tmp_path}/back doctor" in restored.out
    assert run("doctor", "--workspace", tmp_path / "back").out == "All is well\n"
    assert run("restore", kept, tmp_path / "back").code == 2
    assert run("restore", tmp_path / "none", tmp_path / "other").code == 3
    empty = run("restore", kept, tmp_path / "early", "--at", "2020-01-01", "--json")
    assert (empty.code, empty.value["champion"], empty.value["interactions"]) == (0, None, 0)
    assert "no version is in service" in run("restore", kept, tmp_path / "early2", "--at", "2020-01-01").out


def test_a_passphrase_comes_from_a_file_or_the_environment(shop, tmp_path):
    word, wrong, none = (tmp_path / name for name in ("word", "wrong", "none"))
    word.write_text("correct horse\nnot this\n")
    wrong.write_text("battery staple")
    none.write_text("\n")
    kept = tmp_path / "kept"
    assert run("backup", kept, "--workspace", shop, "--passphrase-file", word).code == 0
    assert run("backup", kept, "--list", env={"ONWARD_PASSPHRASE": "correct horse"}).code == 0
    for options, said in (
        ((), "is encrypted"),
        (("--passphrase-file", wrong), "does not open"),
        (("--passphrase-file", none), "no passphrase"),
        (("--passphrase-file", tmp_path / "nowhere"), "cannot be read"),
    ):
        answer = run("restore", kept, tmp_path / "back", *options)
        assert answer.code == 2
        assert said in answer.err
        assert "battery staple" not in answer.out + answer.err
    assert run("restore", kept, tmp_path / "back", "--passphrase-file", word).code == 0


def test_the_doctor_names_mends_and_exits_so(shop, tmp_path):
    kept = tmp_path / "kept"
    run("backup", kept, "--workspace", shop)
    (shop / "onward.toml").chmod(0o644)
    with onward.open(shop) as workspace:
        artifact = workspace.version(1).artifact
        workspace.house.storage.blobs.drop_folder(artifact)
    sick = run("doctor", "--workspace", shop)
    assert sick.code == 5
    assert "3 things are wrong" in sick.out
    assert f"missing: artifact {artifact} (version 1): It is gone." in sick.out
    assert "Mend: " in sick.out
    found = run("doctor", "--workspace", shop, "--json")
    assert (found.code, {one["kind"] for one in found.value}) == (5, {"missing", "open to others", "damaged"})
    mended = run("doctor", "--mend", "--from", kept, "--workspace", shop)
    assert mended.code == 0
    assert mended.out.count("mended: ") == 2
    assert "Nothing is wrong that matters" in mended.out
    assert run("doctor", "--workspace", shop).out == "All is well\n"


def test_one_thing_is_wrong(shop):
    (shop / "onward.toml").chmod(0o644)
    assert "1 thing is wrong" in run("doctor", "--workspace", shop).out


def test_a_workspace_without_its_database_is_rebuilt(shop):
    (shop / "onward.db").unlink()
    refused = run("status", "--workspace", shop)
    assert refused.code == 5
    assert "doctor --mend" in refused.err
    assert run("doctor", "--workspace", shop).code == 5
    assert run("doctor", "--workspace", shop, "--mend").code == 0
    assert run("status", "--workspace", shop, "--json").value["champion"] == 1


def test_what_is_damaged_is_told_by_the_back_up(shop, tmp_path):
    with onward.open(shop) as workspace:
        artifact = workspace.version(2).artifact
    victim = next(path for path in (shop / "artifacts").rglob("*") if artifact in str(path) and path.is_file())
    victim.write_bytes(b"torn")
    shown = run("backup", tmp_path / "kept", "--workspace", shop).out
    assert f"Not in it: {artifact}" in shown
    assert f"Next: onward --workspace {shop} doctor" in shown


def test_pin(shop):
    assert "Version 2 is kept from retention" in run("pin", "2", "--workspace", shop).out
    assert run("show", "2", "--workspace", shop, "--json").value["pinned"] is True
    assert run("pin", "2", "--off", "--workspace", shop, "--json").value["pinned"] is False
    assert "may be dropped" in run("pin", "2", "--off", "--workspace", shop).out
    assert run("pin", "2", "--workspace", shop, "--tenant", "other").code == 3


def test_an_empty_place_lists_nothing(shop, tmp_path):
    kept = tmp_path / "kept"
    run("backup", kept, "--workspace", shop)
    next((kept / "snapshots").iterdir()).unlink()
    assert f"Next: onward backup {kept}" in run("backup", kept, "--list").out


def test_show_trace_and_forget_say_what_retention_dropped(shop):
    with onward.open(shop) as workspace:
        version = workspace.version(1)
        with workspace.house.storage.database.read() as connection:
            (blob,) = connection.exec_driver_sql(f"SELECT blob FROM datasets WHERE id = '{version.dataset}'").scalars()
        workspace.house.storage.blobs.drop(blob)
        prediction = workspace.predict("where is my parcel")
    assert "data set" in run("show", "1", "--workspace", shop, "--json").value["dropped"]
    traced = run("trace", prediction.interaction, "--workspace", shop)
    assert "interactions taught it" in traced.out  # who taught whom is known for good
    assert "Marked, for they had learned from them: 1, 2" in run("forget", "--user", "u3", "--workspace", shop).out
    with onward.open(shop) as workspace:
        mine = min(workspace.house.experience.withdrawn_interactions("default"))
    assert "erased 20" in run("trace", mine, "--workspace", shop).out
    assert "Versions that learned from it: " in run("trace", mine, "--workspace", shop).out
    assert run("compare", "2", "1", "--workspace", shop).code == 0
