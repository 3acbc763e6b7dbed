"""Examples for each operation: the ids in its path, and a body."""

#: Anna's, at table 7.
OWN = {
    "sessionId": "table-7",
    "waiterId": "anna",
    "venueId": "main",
    "requestId": "req-1",
    "orderId": "ord-1",
    "offerId": "offer-1",
    "jti": "1234",
}

#: Ben's, at table 9, where ``table_nine`` in test_access.py puts a request and an order.
FOREIGN = {
    "sessionId": "table-9",
    "waiterId": "ben",
    "venueId": "harbour",
    "requestId": "req-9",
    "orderId": "ord-9",
    "offerId": "offer-9",
    "jti": "1234",
}

#: Ids of nothing.
UNKNOWN = dict.fromkeys(FOREIGN, "nowhere")

#: By the operation's name.
BODIES = {
    "open_session": {"tableNumber": 3, "waiterId": "ben"},
    "join_table": {"code": "AAAA-AAAA-AAAA"},
    "create_request": {"kind": "bill"},
    "place_order": {"items": [{"name": "Tea", "quantity": 1}]},
    "change_request_status": {"status": "Cancelled"},
    "change_order_status": {"status": "Cancelled"},
    "add_waiter": {"id": "zoe", "name": "Zoe"},
    "add_venue": {"id": "hill", "name": "On the Hill"},
    "move_session": {"tableNumber": 30},
    "offer_sessions": {"toWaiterId": "ben"},
    "transfer_sessions": {"toWaiterId": "ben"},
}


def path_to(operation, ids):
    """Return the path of ``operation`` for these ids."""
    return "/api" + operation.path.format_map(ids)
