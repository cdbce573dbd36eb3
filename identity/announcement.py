"""What a person who tries the realm pastes; the README has the same lines, and a test runs them."""

ADA = """\
token=$(curl -s $KEYCLOAK_ISSUER_URL/protocol/openid-connect/token -d grant_type=password \
-d client_id=craft-ui -d username=ada -d "password=$DEMO_PASSWORD" \
| sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')"""


def lines(api: str) -> list[str]:
    """Ada's token, and with it a 200; a 401 without it; a 403 on a project that is not hers.

    Args:
        api: its URL, without a path.
    """
    bearer = '-H "Authorization: Bearer $token"'
    call = f"curl -si {api}/llm/complete -H 'Content-Type: application/json'"
    body = """-d '{"prompt": "What is the capital of France?"}'"""
    return [
        ADA,
        f"{call} {bearer} -H 'X-Project-ID: demo' {body}",
        f"{call} -H 'X-Project-ID: demo' {body}",
        f"{call} {bearer} -H 'X-Project-ID: other' {body}",
    ]
