"""Interest categories of a list and the interests in them."""

from __future__ import annotations

from dataclasses import replace

from simulators.mailchimp import problems, queries
from simulators.mailchimp.model import Audience, Interest, InterestCategory
from simulators.mailchimp.rendering import Json, links, shown_text
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.validation import INTEGER, STRING, Shape, one_of

MOST_INTERESTS = 60

_CATEGORY: Shape = {
    "title": STRING,
    "display_order": INTEGER,
    "type": one_of("checkboxes", "dropdown", "radio", "hidden"),
}
_INTEREST: Shape = {"name": STRING, "display_order": INTEGER}
_CATEGORIES_PATH = "/lists/{list_id}/interest-categories"
_CATEGORY_PATH = f"{_CATEGORIES_PATH}/{{category_id}}"
_INTERESTS_PATH = f"{_CATEGORY_PATH}/interests"


def _category_json(call: Call, audience: Audience, category: InterestCategory) -> Json:
    return {
        "list_id": audience.id,
        "id": category.id,
        "title": shown_text(call.account, category.title),
        "display_order": category.display_order,
        "type": category.type,
        "_links": links(call.account, f"/lists/{audience.id}/interest-categories/{category.id}"),
    }


def _interest_json(call: Call, audience: Audience, interest: Interest) -> Json:
    chosen = sum(interest.id in member.interests for member in audience.members.values())
    path = f"/lists/{audience.id}/interest-categories/{interest.category_id}/interests/{interest.id}"
    return {
        "category_id": interest.category_id,
        "list_id": audience.id,
        "id": interest.id,
        "name": shown_text(call.account, interest.name),
        # The vendor's schema has this number as text.
        "subscriber_count": str(chosen),
        "display_order": interest.display_order,
        "_links": links(call.account, path),
    }


def _category(call: Call) -> InterestCategory:
    category = call.audience().categories.get(call.name("category_id"))
    if category is None:
        raise problems.not_found()
    return category


def _interest(call: Call) -> Interest:
    category, interest = _category(call), call.audience().interests.get(call.name("interest_id"))
    if interest is None or interest.category_id != category.id:
        raise problems.not_found()
    return interest


def _categories(call: Call) -> Json:
    audience = call.audience()
    found = list(audience.categories.values())
    return {
        "list_id": audience.id,
        "categories": [_category_json(call, audience, one) for one in call.page(found)],
        "total_items": len(found),
        "_links": links(call.account, f"/lists/{audience.id}/interest-categories"),
    }


def _add_category(call: Call) -> Json:
    audience, body = call.audience(), call.body(_CATEGORY, "title", "type")
    category_id = call.simulator.next_id(10, "interest_category")
    category = InterestCategory(category_id, body["title"], body["type"], body.get("display_order", 0))
    audience.categories[category_id] = category
    return _category_json(call, audience, category)


def _get_category(call: Call) -> Json:
    return _category_json(call, call.audience(), _category(call))


def _change_category(call: Call) -> Json:
    audience = call.audience()
    category = replace(_category(call), **call.body(_CATEGORY))
    audience.categories[category.id] = category
    return _category_json(call, audience, category)


def _delete_category(call: Call) -> None:
    audience, category = call.audience(), _category(call)
    for interest in list(audience.interests.values()):
        if interest.category_id == category.id:
            audience.drop_interest(interest.id)
    del audience.categories[category.id]


def _interests(call: Call) -> Json:
    audience, category = call.audience(), _category(call)
    found = [interest for interest in audience.interests.values() if interest.category_id == category.id]
    return {
        "interests": [_interest_json(call, audience, one) for one in call.page(found)],
        "list_id": audience.id,
        "category_id": category.id,
        "total_items": len(found),
        "_links": links(call.account, f"/lists/{audience.id}/interest-categories/{category.id}/interests"),
    }


def _add_interest(call: Call) -> Json:
    audience, category, body = call.audience(), _category(call), call.body(_INTEREST, "name")
    if len(audience.interests) >= MOST_INTERESTS:
        raise problems.invalid_resource(f"A list may have {MOST_INTERESTS} interests at most.")
    known = {interest.name for interest in audience.interests.values() if interest.category_id == category.id}
    if body["name"] in known:
        raise problems.invalid_resource(f'Cannot add "{body["name"]}" because it already exists on the list.')
    interest_id = call.simulator.next_id(10, "interest")
    order = body.get("display_order", len(known) + 1)
    audience.interests[interest_id] = Interest(interest_id, category.id, body["name"], order)
    return _interest_json(call, audience, audience.interests[interest_id])


def _get_interest(call: Call) -> Json:
    return _interest_json(call, call.audience(), _interest(call))


def _change_interest(call: Call) -> Json:
    audience = call.audience()
    interest = replace(_interest(call), **call.body(_INTEREST))
    audience.interests[interest.id] = interest
    return _interest_json(call, audience, interest)


def _delete_interest(call: Call) -> None:
    call.audience().drop_interest(_interest(call).id)


RESOURCES = (
    Resource(_CATEGORIES_PATH, *queries.PAGING, "type", GET=_categories, POST=_add_category),
    Resource(_CATEGORY_PATH, GET=_get_category, PATCH=_change_category, DELETE=_delete_category),
    Resource(_INTERESTS_PATH, *queries.PAGING, GET=_interests, POST=_add_interest),
    Resource(
        f"{_INTERESTS_PATH}/{{interest_id}}",
        GET=_get_interest,
        PATCH=_change_interest,
        DELETE=_delete_interest,
    ),
)
