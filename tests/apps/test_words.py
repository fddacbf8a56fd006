"""Words are looked for where the apps say so."""

from television import television


def test_episodes_are_found_by_their_words_also_after_a_replay(tmp_path):
    with television(tmp_path) as tv:
        tv.collect()
        every = tv.get("/v1/episodes/episodes?limit=1000")["data"]
        word = every[0]["title"].split()[0].strip(",.").lower()
        wanted = [item["_key"] for item in every if word in f"{item['title']} {item['plot']}".lower().split()]
        path = f"/v1/episodes/episodes?q={word}&limit=1000"
        first = tv.get(path)
        assert wanted
        assert set(wanted) <= {item["_key"] for item in first["data"]} < {item["_key"] for item in every}
        assert first["meta"]["count"] == len(first["data"])
        tv.collected.replay()
        assert tv.get(path)["data"] == first["data"]
        names = {name for name in tv.collected.tables() if name.endswith("__words")}
        assert names == {"episodes_episodes__g2__words", "episodes_series__g2__words"}
        pages = [tv.get(f"{path}&limit=1".replace("&limit=1000", ""))]
        while following := pages[-1]["meta"]["next"]:
            pages.append(tv.get(f"/v1/episodes/episodes?q={word}&limit=1&cursor={following}"))
        assert [page["data"][0] for page in pages] == first["data"]
        assert len(pages) == len(first["data"]) > 1
        refused = tv.ask("GET", f"/v1/episodes/episodes?q={word}x&cursor={pages[0]['meta']['next']}")
        assert refused.json()["type"] == "/problems/bad-cursor"
        for query in ("q=", "q=!", f"q={word}&as_of=1", f"q={word}&q={word}"):
            answer = tv.ask("GET", f"/v1/episodes/episodes?{query}")
            assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "q")
        assert tv.ask("GET", f"/v1/episodes/seasons?q={word}").json()["type"] == "/problems/unknown-parameter"
