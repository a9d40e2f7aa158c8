// The official client against a server: node suite.mjs BASE_URL MODEL CLIENT [fake]
//
// What holds of every server and model is checked always; with "fake" also what the tests' stand-in answers, and
// how errors look that a real model does not give on demand.
import assert from 'node:assert/strict';
import test from 'node:test';

const [baseURL, model, client = 'openai-4', kind = 'real'] = process.argv.slice(2);
const fake = kind === 'fake';
const { default: OpenAI, ...library } = await import(client);
const key = process.env.FOVEA_API_KEY;
const openai = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: key ?? 'none', maxRetries: 0 });

// One red pixel.
const picture =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const question = (text, url = picture) => [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text },
    ],
  },
];
const say = (text) => [{ role: 'user', content: text }];

test('lists models and tells of one', async () => {
  const ids = [];
  for await (const found of await openai.models.list()) ids.push(found.id);
  assert.ok(ids.includes(model), `${ids}`);
  const found = await openai.models.retrieve(model);
  assert.equal(found.id, model);
  assert.equal(found.object, 'model');
  await assert.rejects(openai.models.retrieve('no-such-model'), library.NotFoundError ?? OpenAI.NotFoundError);
});

test('answers a question about a picture', async () => {
  const answer = await openai.chat.completions.create({
    model, messages: question('What is this?'), max_tokens: 8, temperature: 0,
  });
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices.length, 1);
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.equal(typeof answer.choices[0].message.content, 'string');
  assert.ok(['stop', 'length'].includes(answer.choices[0].finish_reason));
  assert.ok(answer.usage.prompt_tokens > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.ok(answer.usage.completion_tokens <= 8);
  assert.ok(answer._request_id, 'the request id is there for the log');
  if (fake) assert.equal(answer.choices[0].message.content, 'Hello, wörld!');
});

test('streams what it answers whole', async () => {
  const parameters = { model, messages: question('What is this?'), max_completion_tokens: 8, temperature: 0 };
  const whole = await openai.chat.completions.create(parameters);
  let text = '';
  let finish = null;
  let usage = null;
  const stream = await openai.chat.completions.create({
    ...parameters, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    assert.equal(chunk.object, 'chat.completion.chunk');
    if (chunk.usage) usage = chunk.usage;
    if (chunk.choices.length === 0) continue;
    text += chunk.choices[0].delta.content ?? '';
    finish = chunk.choices[0].finish_reason ?? finish;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(finish, whole.choices[0].finish_reason);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("the client's own stream helper puts the answer together", async (t) => {
  const helper = openai.chat.completions.stream ?? openai.beta?.chat?.completions?.stream;
  if (!helper) return t.skip('this version has none');
  const owner = openai.chat.completions.stream ? openai.chat.completions : openai.beta.chat.completions;
  const runner = owner.stream({ model, messages: question('What is this?'), max_tokens: 8, temperature: 0 });
  const pieces = [];
  runner.on('content', (delta) => pieces.push(delta));
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, pieces.join(''));
});

test('cuts an answer at max_tokens', async () => {
  const answer = await openai.chat.completions.create({
    model, messages: question('Describe it.'), max_tokens: 1, temperature: 0,
  });
  assert.equal(answer.choices[0].finish_reason, 'length');
  assert.equal(answer.usage.completion_tokens, 1);
});

test('gives logprobs', async () => {
  const answer = await openai.chat.completions.create({
    model, messages: question('What is this?'), max_tokens: 4, temperature: 0, logprobs: true, top_logprobs: 3,
  });
  const content = answer.choices[0].logprobs.content;
  assert.equal(content.length, answer.usage.completion_tokens);
  for (const token of content) {
    assert.ok(token.logprob <= 0);
    assert.ok(Array.isArray(token.bytes));
    assert.equal(token.top_logprobs.length, 3);
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[2].logprob);
  }
});

test('streams the logprobs that it gives whole', async () => {
  const parameters = {
    model, messages: question('What is this?'), max_tokens: 4, temperature: 0, logprobs: true, top_logprobs: 2,
  };
  const whole = (await openai.chat.completions.create(parameters)).choices[0].logprobs.content;
  const streamed = [];
  for await (const chunk of await openai.chat.completions.create({ ...parameters, stream: true })) {
    streamed.push(...(chunk.choices[0].logprobs?.content ?? []));
  }
  assert.ok(whole.length > 0);
  assert.deepEqual(streamed, whole);
});

test('the same seed gives the same answer', async () => {
  const parameters = { model, messages: question('What is this?'), max_tokens: 8, temperature: 1, top_p: 0.9, seed: 7 };
  const first = await openai.chat.completions.create(parameters);
  const second = await openai.chat.completions.create(parameters);
  assert.equal(first.choices[0].message.content, second.choices[0].message.content);
});

test('stops at a stop text', async () => {
  const parameters = { model, messages: question('What is this?'), max_tokens: 16, temperature: 0 };
  const whole = (await openai.chat.completions.create(parameters)).choices[0].message.content;
  const stop = fake ? '!' : whole.slice(1, 3);
  if (stop.length === 0) return;
  const cut = await openai.chat.completions.create({ ...parameters, stop: [stop] });
  assert.equal(cut.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
  assert.equal(cut.choices[0].finish_reason, 'stop');
});

test('answers have the form of a schema', async () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string', maxLength: 12 }, shiny: { type: 'boolean' } },
    required: ['name', 'shiny'],
    additionalProperties: false,
  };
  const answer = await openai.chat.completions.create({
    model, messages: question('Which card is it?'), max_tokens: 64, temperature: 0,
    response_format: { type: 'json_schema', json_schema: { name: 'card', strict: true, schema } },
  });
  const value = JSON.parse(answer.choices[0].message.content);
  assert.deepEqual(Object.keys(value), ['name', 'shiny']);
  assert.equal(typeof value.name, 'string');
  assert.equal(typeof value.shiny, 'boolean');
});

test('answers are JSON where an object is asked for', async () => {
  const answer = await openai.chat.completions.create({
    model, messages: question('Which card is it? Answer in JSON.'), max_tokens: 128, temperature: 0,
    response_format: { type: 'json_object' },
  });
  const { message, finish_reason: finish } = answer.choices[0];
  assert.ok(message.content.startsWith('{'), message.content);
  // A model that was never taught when to end may need more tokens than it has.
  if (finish === 'length' && !fake) return;
  const value = JSON.parse(message.content);
  assert.ok(value !== null && typeof value === 'object' && !Array.isArray(value), message.content);
});

test('a wrong key is an authentication error', { skip: !key && 'the server has no keys' }, async () => {
  const stranger = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: 'a-key-of-no-one-here', maxRetries: 0 });
  for (const ask of [
    () => stranger.models.list(),
    () => stranger.chat.completions.create({ model, messages: say('x') }),
    () => stranger.chat.completions.create({ model, messages: say('x'), stream: true }),
  ]) {
    await assert.rejects(ask, (error) => {
      assert.ok(error instanceof OpenAI.AuthenticationError, `${error}`);
      assert.equal(error.status, 401);
      assert.match(error.message, /key/);
      assert.ok(!error.message.includes('a-key-of-no-one-here'), 'the key is not repeated');
      return true;
    });
  }
});

test('a conversation goes on', async () => {
  const messages = question('What is this?');
  const first = await openai.chat.completions.create({ model, messages, max_tokens: 4, temperature: 0 });
  messages.push(first.choices[0].message, { role: 'user', content: 'Are you sure?' });
  const second = await openai.chat.completions.create({ model, messages, max_tokens: 4, temperature: 0 });
  assert.equal(typeof second.choices[0].message.content, 'string');
});

test('refuses by name what it cannot do', async () => {
  const refused = async (parameters, param) => {
    await assert.rejects(openai.chat.completions.create({ model, messages: say('x'), ...parameters }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.status, 400);
      assert.equal(error.type, 'invalid_request_error');
      assert.equal(error.param, param);
      assert.ok(error.message.includes(param.split('.')[0].split('[')[0]));
      return true;
    });
  };
  await refused({ n: 2 }, 'n');
  await refused({ tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools');
  await refused({ logit_bias: { 1: 5 } }, 'logit_bias');
  await refused({ temperature: 3 }, 'temperature');
  await refused({ messages: [] }, 'messages');
  await refused({ messages: question('x', 'https://example.org/a.png') }, 'messages[0].content[0].image_url.url');
});

test('does not know every model', async () => {
  await assert.rejects(openai.chat.completions.create({ model: 'gpt-4o', messages: say('x') }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
    assert.equal(error.code, 'model_not_found');
    return true;
  });
});

test('a stream that is left stops the work', async () => {
  const stream = await openai.chat.completions.create({
    model, messages: fake ? say('WAIT') : question('Describe it.'), max_tokens: 256, stream: true,
  });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  // The connection is free for others: this one is answered.
  await openai.models.list();
});

test('errors of the model are those that clients know', { skip: !fake }, async () => {
  await assert.rejects(openai.chat.completions.create({ model, messages: say('OVERLOADED') }), OpenAI.RateLimitError);
  await assert.rejects(openai.chat.completions.create({ model, messages: say('FAIL') }), OpenAI.InternalServerError);
  await assert.rejects(openai.chat.completions.create({ model, messages: say('TOO LONG') }), (error) => {
    assert.equal(error.code, 'context_length_exceeded');
    return true;
  });
  const stream = await openai.chat.completions.create({ model, messages: say('BREAK'), stream: true });
  let seen = '';
  await assert.rejects(async () => {
    for await (const chunk of stream) seen += chunk.choices[0].delta.content ?? '';
  }, OpenAI.APIError);
  assert.equal(seen, 'Hello, ');
});
