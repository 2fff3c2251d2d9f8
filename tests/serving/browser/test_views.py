"""What each view does, by keyboard, against what the library computes."""

import re

from served import model

from nanochat.engine.scalar.pictures.expression import evaluate
from nanochat.inference.trace import trace

HOSTILE = "<img src=x onerror=\"document.title='fallen'\"><b>\u202e"


def texts(locator):
    return [words.strip() for words in locator.all_text_contents()]


def focused(page, of):
    return page.evaluate("what => document.activeElement[what]", of)


def test_a_token_is_chosen_by_keyboard_and_the_link_shows_it_again(watched):
    page = watched.open("next?text=what+is")
    read = texts(page.locator(".tokens .token"))
    page.locator(".candidates button").first.focus()
    page.keyboard.press("ArrowDown")
    second = texts(page.locator(".candidates .token"))[1]
    page.keyboard.press("Enter")
    page.locator(".tokens .chosen").wait_for()
    assert texts(page.locator(".tokens .token")) == [*read, second]
    assert focused(page, "className").startswith("candidate")
    page = watched.open(page.evaluate("location.hash.slice(1)"))
    assert texts(page.locator(".tokens .token")) == [*read, second]
    page.get_by_role("button", name="Take back").press("Enter")
    page.locator(".tokens .chosen").wait_for(state="detached")
    assert texts(page.locator(".tokens .token")) == read


def test_the_sampler_cuts_what_its_settings_cut_and_leaves_the_model_as_it_was(watched):
    page = watched.open("next?text=what+is")
    before = texts(page.locator(".candidates .candidate > .p"))
    page.locator("#top_k").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.locator(".candidate.cut").first.wait_for()
    page.wait_for_function("document.querySelectorAll('.candidates .candidate:not(.cut)').length === 3")
    assert texts(page.locator(".candidates .candidate > .p")) == before
    assert "top_k=3" in page.evaluate("location.hash")


def test_a_drawn_token_is_one_that_the_settings_leave(watched):
    page = watched.open("next?text=what+is&top_k=1")
    likeliest = texts(page.locator(".candidates .token"))[0]
    page.get_by_role("button", name="Draw one").press("Enter")
    page.locator(".tokens .chosen").wait_for()
    assert texts(page.locator(".tokens .chosen")) == [likeliest]


def test_attention_shows_the_shares_that_the_library_computes(watched):
    page = watched.open("attention?text=what+is+the+capital&head=2&position=3")
    lm = model()
    found = trace(lm.model, lm.config, lm.read("what is the capital"))
    for t, s in ((1, 0), (3, 1), (4, 4)):
        shown = page.locator(f".matrix td[data-row='{t}'][data-column='{s}']").get_attribute("title")
        assert abs(float(re.findall(r"takes ([\d.]+)", shown)[0]) / 100 - found.attention[0, 1, t, s]) < 0.001
    norms = texts(page.locator(".norms .value"))
    assert norms == [f"{norm:.2f}" for norm in found.residual_norms[:, 2]]


def test_heads_cells_and_tokens_are_walked_with_arrow_keys(watched):
    page = watched.open("attention?text=what+is+the+capital")
    page.locator(".head[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(".head[aria-pressed=true]").inner_text().startswith("head 2")
    assert focused(page, "className") == "head"
    page.locator(".matrix td[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.locator(".line [aria-pressed=true]").inner_text() == "the"
    assert page.evaluate("location.hash").endswith("head=2&position=4")


def test_steps_end_with_the_gradients_of_the_engine(watched):
    page = watched.open("gradients?formula=tanh(a*b)%2Ba**2&values=a:0.5,b:-2")
    assert texts(page.locator(".node .figure.grad")) == [""] * 6
    step = page.get_by_role("button", name="Step")
    while not page.locator("output[for=step]").inner_text().startswith("backward 4"):
        step.press("Enter")
    y, leaves = evaluate("tanh(a*b)+a**2", a=0.5, b=-2.0)
    y.backward()
    rows = page.locator(".outcome table").last.locator("tbody tr").all()
    shown = {row.locator("th").inner_text(): row.locator("td").nth(1).inner_text() for row in rows}
    assert shown == {name: f"{leaf.grad:.4g}".replace("-", "−") for name, leaf in leaves.items()}


def test_a_formula_that_cannot_be_read_is_said_and_the_next_is_drawn(watched):
    page = watched.open("gradients")
    page.locator("#formula").fill(f"a + {HOSTILE}")
    page.locator("#status.bad").wait_for()
    page.locator("#formula").fill("a + 1")
    page.locator("#status.bad").wait_for(state="detached")
    page.wait_for_function("document.querySelectorAll('.node').length === 3")
    watched.complaints.clear()  # the browser itself tells of the refusal


def test_a_run_is_followed_while_it_trains_and_what_it_draws_stays_text(watched, begin):
    run = begin("live", 30)
    run.train(1, 10)
    page = watched.open("training?run=live")
    page.get_by_text("drawn at 10").wait_for()
    run.train(11, 20)
    run.write("samples.jsonl", {"step": 20, "text": HOSTILE})
    page.get_by_text("drawn at 20").wait_for()
    page.get_by_text("is training now").wait_for()
    page.get_by_text("<img src=x").wait_for()
    assert page.locator("main img, main b b").count() == 0
    assert page.locator("text=⟨202e⟩").count() == 1
    run.train(21, 30)
    run.end()
    page.get_by_text("has ended").wait_for()
    assert page.locator(".cards dd").first.inner_text() == "30 of 30"
    page.locator("#step").focus()
    page.keyboard.press("Home")
    page.get_by_text("drawn at 30").wait_for(state="detached")
    assert "step=0" in page.evaluate("location.hash")


def test_a_link_to_a_run_that_is_not_there_says_so(watched):
    page = watched.open("training?run=nope")
    page.locator("#status").get_by_text("There is no run nope here; this is").wait_for()


def ask(page, text, n):
    page.locator("#say").fill(text)
    page.keyboard.press("Enter")
    page.locator(".turn .total").nth(n).wait_for()


def test_a_conversation_shows_its_doubt(watched):
    page = watched.open("chat")
    ask(page, "what is the capital of Peru?", 0)
    page.locator(".spoken .word").first.focus()
    rows = texts(page.locator(".others .candidate > .p"))
    assert rows == sorted(rows, key=lambda row: -float(row.split()[0]))
    shade = float(page.locator(".spoken .word").first.evaluate("node => node.style.getPropertyValue('--w')"))
    told = re.findall(r"([\d.]+)\u2009%", page.locator(".others p").inner_text())
    assert abs(1 - shade - float(told[0]) / 100) < 0.001


def test_the_link_of_a_conversation_draws_the_same_answers_under_the_same_seeds(watched):
    page = watched.open("chat?seed=3")
    ask(page, "what is the capital of Peru?", 0)
    page.locator("#seed").fill("9")
    ask(page, "yes", 1)
    said = texts(page.locator(".answer .spoken"))
    link = page.evaluate("location.hash.slice(1)")
    assert link.endswith("seed=3&seed=9&seed=9")
    page = watched.open(link)
    assert texts(page.locator(".answer .spoken")) == said
    page.get_by_role("button", name="Another answer").press("Enter")
    page.wait_for_function("location.hash.endsWith('seed=3&seed=10&seed=10')")
    page.locator(".turn .total").nth(1).wait_for()
    assert texts(page.locator(".answer .spoken"))[0] == said[0]


def test_a_question_of_a_link_cannot_turn_its_line_around(watched):
    page = watched.open("chat")
    shown = page.evaluate("async text => (await import('./words.js')).lines(text)", "yes\n\u202eno\n\n")
    assert shown == "yes\n⟨202e⟩no\n\n"


def test_a_number_between_two_steps_of_a_control_is_the_nearer_one(watched):
    page = watched.open("next?text=what+is&temperature=0.63&top_k=2.6")
    assert texts(page.locator(".slider output"))[:2] == ["0.65", "3 tokens"]
    assert page.evaluate("location.hash") == "#next?text=what+is&temperature=0.65&top_k=3"
    page = watched.open("attention?text=what+is&head=1.7&position=1.2")
    assert page.evaluate("location.hash") == "#attention?text=what+is&head=2&position=1"
    page = watched.open("gradients?formula=a*b&values=a:2,b:3&step=1.4")
    assert page.locator("output[for=step]").inner_text() == "forward 1 of 1"
