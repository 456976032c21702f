"""How a conversation becomes the text that the model continues.

The weights are those of a pretrained model, which continues texts and was not trained to follow instructions.
So a conversation is laid out as a list of questions and answers, of which the first is an example, and the
answer ends where the model begins another question.
"""

CHAT_TEMPLATE = """\
{{ bos_token }}\
{% if messages[0].role == "system" %}{{ messages[0].content }}\
{% else %}A helpful assistant answers questions in one or two short sentences.{% endif %}

Question: Which ocean is the largest?
Answer: The Pacific Ocean is the largest ocean on Earth.

{% for message in messages %}\
{% if message.role == "user" %}Question: {{ message.content }}
{% elif message.role == "assistant" %}Answer: {{ message.content }}

{% endif %}\
{% endfor %}\
{% if add_generation_prompt %}Answer:{% endif %}"""
"""A Jinja template, as llama.cpp takes it."""

STOPS = ("\nQuestion:", "\n\n")
"""What ends an answer, unless a request has its own ``stop``."""
