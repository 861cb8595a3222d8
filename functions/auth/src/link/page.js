'use strict';
const password = { name: 'password', label: 'Password', type: 'password', autocomplete: 'new-password', hint: 'At least 15 characters: a sentence is easy to remember and hard to guess.' };
const purposes = {
  'register': { title: 'Finish registering', text: 'Confirm your address: your account is made then.', button: 'Confirm and finish', to: '/api/auth/register/confirm', also: { tokenDelivery: 'cookie' }, done: () => 'Your account is ready, and you are logged in.' },
  'password-reset': { title: 'Choose a new password', text: 'All devices that are logged in will have to log in again.', fields: [{ ...password, name: 'newPassword', label: 'New password' }], button: 'Set the password', to: '/api/auth/password-reset/confirm', done: () => 'The password is changed. Log in with it now.' },
  'new-email': { title: 'Confirm your new address', text: 'You will log in with this address.', button: 'Confirm', to: '/api/auth/email/confirm', done: emailDone },
  'old-email': { title: 'Confirm the change of your address', text: 'You will log in with the new address, and no longer with this one.', button: 'Confirm', to: '/api/auth/email/confirm', done: emailDone },
  'keep-email': { title: 'Keep your address', text: 'The change of address is stopped. If you did not ask for it, choose a new password too.', button: 'Stop the change', to: '/api/auth/email/cancel', done: () => 'The change is stopped. Your address stays.' },
  'invitation': { title: 'Accept the invitation', text: 'Tell us your name and choose a password.', fields: [{ name: 'firstName', label: 'First name', autocomplete: 'given-name' }, { name: 'lastName', label: 'Last name', autocomplete: 'family-name' }, password], button: 'Accept', to: '/api/auth/invitations/accept', also: { tokenDelivery: 'cookie' }, done: () => 'You have joined, and you are logged in.' },
};
function emailDone(answer) {
  return answer.changed ? 'The address is changed. Log in with it from now on.' : 'Confirmed. The address is changed when the other one is confirmed too.';
}
function element(name, properties, parent) {
  return parent.appendChild(Object.assign(document.createElement(name), properties));
}
const find = (id) => document.getElementById(id);
const [word, token] = location.hash.slice(1).split('=');
const purpose = Object.hasOwn(purposes, word) && token ? purposes[word] : null;
if (purpose) {
  const form = find('form');
  document.title = `${purpose.title} – NEXO`;
  find('title').textContent = purpose.title;
  find('text').textContent = purpose.text;
  const inputs = (purpose.fields ?? []).map(({ name, label, hint, type = 'text', autocomplete }) => {
    element('label', { htmlFor: name, textContent: label }, form);
    const input = element('input', { id: name, name, type, autocomplete, required: true }, form);
    element('div', { id: `${name}-hint`, textContent: hint ?? '' }, form);
    input.setAttribute('aria-describedby', `${name}-hint`);
    return input;
  });
  const button = element('button', { textContent: purpose.button }, form);
  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    const outcome = find('outcome');
    outcome.replaceChildren();
    inputs.forEach((input) => input.removeAttribute('aria-invalid'));
    try {
      const values = Object.fromEntries(inputs.map((input) => [input.name, input.value]));
      const answer = await fetch(purpose.to, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token, ...purpose.also, ...values }) });
      const text = await answer.text();
      const body = text ? JSON.parse(text) : {};
      if (answer.ok) {
        form.remove();
        find('text').remove();
        history.replaceState(null, '', location.pathname);
        element('p', { textContent: purpose.done(body) }, outcome);
      } else if (body.errors) {
        for (const { pointer, message } of body.errors) {
          const input = inputs.find((input) => pointer === `/${input.name}`);
          input?.setAttribute('aria-invalid', 'true');
          element('p', { className: 'wrong', textContent: `${input?.labels[0].textContent ?? pointer} ${message}.` }, outcome);
        }
      } else {
        element('p', { className: 'wrong', textContent: `${body.title}. ${body.detail}` }, outcome);
      }
    } catch {
      element('p', { className: 'wrong', textContent: 'The service was not reached. Try again in a moment.' }, outcome);
    }
    button.disabled = false;
    outcome.focus();
  });
}
