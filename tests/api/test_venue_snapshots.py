"""The floor and the kitchen of a venue, as managers, displays and kitchens read them."""


def test_display_reads_the_floor_and_kitchen_the_kitchen_and_nothing_else(caller):
    display, kitchen = caller("display", "main"), caller("kitchen", "main")
    assert display.get("/api/venues/main/floor").status_code == 200
    assert kitchen.get("/api/venues/main/kitchen").status_code == 200
    assert display.get("/api/venues/main/kitchen").status_code == 404
    assert kitchen.get("/api/venues/main/floor").status_code == 404


def test_a_manager_reads_the_whole_floor(manager):
    floor = manager.get("/api/venues/main/floor").json
    assert set(floor) == {
        *("venueId", "venueName", "sessions", "waiters", "takenAt", "cursor", "next")
    }
    assert {each["id"] for each in floor["sessions"]} == {"table-5", "table-7", "table-9"}
    by_id = {each["id"]: each for each in floor["sessions"]}
    assert [each["id"] for each in by_id["table-7"]["requests"]] == ["req-1"]
    assert by_id["table-7"]["requests"][0]["allowed"]
    anna = next(each for each in floor["waiters"] if each["id"] == "anna")
    assert (anna["name"], anna["streams"]) == ("Anna", 0)
