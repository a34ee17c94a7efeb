// What the desk does beyond forms and links: it stays current, ticks its times, and
// takes single keys. Nothing here decides: a decision is a form that a person sends.
'use strict';
(() => {
  const base = document.body.dataset.base || '';
  const $ = (s, at = document) => at.querySelector(s);
  const all = (s, at = document) => [...at.querySelectorAll(s)];

  // Times by the reader's clock.
  const span = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return s + ' s';
    if (s < 3600) return Math.floor(s / 60) + ' min';
    if (s < 172800) return (Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min').replace(' 0 min', '');
    return Math.floor(s / 86400) + ' days';
  };
  const set = (el, text) => { if (el.textContent !== text) el.textContent = text; };
  const tick = () => {
    const now = Date.now();
    for (const el of all('time[data-age]')) set(el, span(now - Date.parse(el.dateTime)));
    for (const el of all('time[data-left]')) {
      const left = Date.parse(el.dateTime) - now;
      set(el, left > 0 && left < 60000 ? Math.floor(left / 1000) + ' s' : span(left));
    }
  };
  for (const el of all('time[data-clock]')) {
    const t = new Date(el.dateTime);
    el.title = el.textContent;
    el.textContent = Math.abs(Date.now() - t) < 12 * 3600e3 ? t.toLocaleTimeString() : t.toLocaleString();
  }
  tick();
  setInterval(tick, 1000);

  // Staying current.
  const state = $('#live');
  const rows = $('#rows');
  const news = $('#news');
  let last = Date.now(), busy = false, again = false, fresh = null;
  const tellLive = (on) => {
    if (!state) return;
    state.hidden = false;
    state.classList.toggle('off', !on);
    set($('span:last-child', state), on ? 'Live' : 'Not live since ' + new Date(last).toLocaleTimeString());
  };
  const offerNew = (n) => {
    if (!news) return;
    news.textContent = '';
    if (n < 1) return;
    const b = document.createElement('button');
    b.type = 'button';
    b.id = 'shownew';
    b.textContent = n === 1 ? '1 new request. Show it (R)' : n + ' new requests. Show them (R)';
    b.onclick = () => location.reload();
    news.append(b);
  };
  const compare = (page) => {
    fresh = page;
    const count = $('.top nav a .n', page), here = $('.top nav a .n');
    if (count && here) set(here, count.textContent);
    document.title = page.title;
    if (!rows) return;
    const shown = new Set(all('.row').map((r) => r.dataset.ref));
    offerNew(all('.row:not(.past)', page).filter((r) => !shown.has(r.dataset.ref)).length);
    for (const row of all('.row')) {
      const now = page.getElementById(row.id);
      if (!now) {
        row.classList.add('past');
        const tick = $('input', row);
        if (tick) tick.remove();
        const due = $('.due', row);
        if (due) due.textContent = 'waits no more';
      } else if (now.dataset.digest !== row.dataset.digest || now.className !== row.className) {
        const had = row.contains(document.activeElement);
        row.replaceWith(document.importNode(now, true));
        if (had) $('h2 a', document.getElementById(now.id))?.focus();
      }
    }
  };
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const url = new URL(rows || !$('main[data-request]') ? location.href : base + '/', location.href);
      url.hash = '';
      if (rows) url.searchParams.set('keep', all('.row').map((r) => r.dataset.ref).join(','));
      const res = await fetch(url, { credentials: 'same-origin' });
      if (res.ok) {
        const page = new DOMParser().parseFromString(await res.text(), 'text/html');
        last = Date.now();
        if (rows) compare(page);
        else if ($('main[data-request]')) await look();
      }
    } catch { /* the connection tells */ } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  };
  // A page of one request says when it changed or was decided; nothing moves.
  const look = async () => {
    const main = $('main[data-request]');
    const res = await fetch(base + '/api/requests/' + main.dataset.request, { credentials: 'same-origin' });
    const now = res.ok ? await res.json() : null;
    const form = $('#decide');
    const same = now && now.digest === main.dataset.digest;
    if (!form || form.dataset.old || same && !(now.shut && $('[value=approve],[value=answer]', form))) return;
    form.dataset.old = '1';
    const p = document.createElement('p');
    p.className = 'warn';
    p.setAttribute('role', 'alert');
    p.textContent = same ? now.shut + ' ' : now ? 'The text has changed since you opened it. ' : 'This waits no more. ';
    const a = document.createElement('a');
    a.href = location.pathname;
    a.textContent = same ? 'See who holds them' : now ? 'Read the new text' : 'See what was decided';
    p.append(a);
    form.prepend(p);
  };
  if (window.EventSource && $('.top') && state) {
    const open = () => {
      const events = new EventSource(base + '/events');
      events.addEventListener('changed', () => { tellLive(true); refresh(); });
      events.onopen = () => { last = Date.now(); tellLive(true); };
      events.onerror = () => {
        tellLive(false);
        if (events.readyState === EventSource.CLOSED) setTimeout(open, 5000);
      };
      addEventListener('pagehide', () => events.close());
    };
    open();
  }

  // Single keys rest while typing, and can be turned off.
  const keys = $('#keys'), singles = $('#singles');
  const off = () => { try { return localStorage.getItem('desk-keys') === 'off'; } catch { return false; } };
  if (keys) {
    keys.hidden = false;
    const tellKeys = () => { singles.textContent = off() ? 'Turn single keys on' : 'Turn single keys off'; };
    singles.onclick = () => { try { localStorage.setItem('desk-keys', off() ? 'on' : 'off'); } catch { /* private */ } tellKeys(); };
    tellKeys();
  }
  const form = $('#decide');
  const go = (s) => { const a = $(s); if (a) location.href = a.href; };
  const step = (by) => {
    const links = all('.row h2 a');
    if (!links.length) { go(by > 0 ? 'a[data-next]' : 'a[data-previous]'); return; }
    const at = links.findIndex((a) => a.closest('.row').contains(document.activeElement));
    links[Math.min(links.length - 1, Math.max(0, at + by))].focus();
  };
  const act = {
    j: () => step(1),
    k: () => step(-1),
    o: () => { const row = document.activeElement.closest?.('.row'); if (row) location.href = $('h2 a', row).href; },
    x: () => { const t = $('.pick input', document.activeElement.closest?.('.row') || document.createElement('i')); if (t) t.checked = !t.checked; },
    '/': () => $('.find input')?.focus(),
    r: () => $('#shownew')?.click(),
    s: () => go('a[data-whole]'),
    a: () => { const i = form && $('[value=approve]', form); if (i) { i.checked = true; i.focus(); } },
    d: () => { const i = form && $('[value=deny]', form); if (i) { i.checked = true; i.focus(); } },
    n: () => $('#notes textarea')?.focus(),
    u: () => go('a[data-list]'),
    '?': () => { if (keys) keys.open = !keys.open; },
  };
  addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && form && form.contains(document.activeElement)) {
      e.preventDefault();
      const send = $('button.send', form);
      if (send && form.reportValidity()) form.requestSubmit(send);
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || off()) return;
    const at = document.activeElement;
    if (at && (at.isContentEditable || /^(TEXTAREA|SELECT)$/.test(at.tagName) || at.tagName === 'INPUT' && !/^(radio|checkbox)$/.test(at.type))) return;
    const f = act[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (f) { e.preventDefault(); f(); }
  });
  // A passkey signs what is sent, where the request says that it takes that.
  const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const creds = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));
  const shown = (c) => ({ id: c.id, rawId: text(c.rawId), type: c.type, clientExtensionResults: {}, authenticatorAttachment: c.authenticatorAttachment || undefined });
  const signs = async (options) => {
    const o = options.publicKey;
    const c = await navigator.credentials.get({ publicKey: { ...o, challenge: bytes(o.challenge), allowCredentials: creds(o.allowCredentials) } });
    const r = c.response;
    return { ...shown(c), response: { clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData), signature: text(r.signature), userHandle: r.userHandle ? text(r.userHandle) : undefined } };
  };
  const makes = async (options) => {
    const o = options.publicKey;
    const c = await navigator.credentials.create({ publicKey: { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: creds(o.excludeCredentials) } });
    const r = c.response;
    return { ...shown(c), response: { clientDataJSON: text(r.clientDataJSON), attestationObject: text(r.attestationObject), transports: r.getTransports ? r.getTransports() : [] } };
  };
  const post = async (url, body) => {
    const json = !(body instanceof URLSearchParams);
    const res = await fetch(url, { method: 'POST', credentials: 'same-origin', headers: json ? { 'Content-Type': 'application/json' } : {}, body: json ? JSON.stringify(body) : body });
    const out = res.status === 204 ? {} : await res.json();
    if (!res.ok) throw new Error(out.error);
    return out;
  };
  // What did not work is told above the button; nothing was sent then.
  const complain = (at, e) => {
    const p = $('.complaint', at) || document.createElement('p');
    p.className = 'warn complaint';
    p.setAttribute('role', 'alert');
    p.textContent = e.name === 'NotAllowedError' || e.name === 'AbortError' ? 'Nothing was sent. Your device did not sign it.' : e.message || 'Nothing was sent.';
    const button = $('button[type=submit]', at);
    button.before(p);
    button.focus();
  };
  const fields = (form, submitter) => {
    const v = new URLSearchParams(new FormData(form));
    if (submitter && submitter.name) v.set(submitter.name, submitter.value);
    return v;
  };
  const hide = (form, name, value) => {
    const i = $(`input[type=hidden][name="${name}"]`, form) || document.createElement('input');
    i.type = 'hidden';
    i.name = name;
    i.value = value;
    form.append(i);
  };
  const prove = async (form, submitter) => {
    const v = fields(form, submitter);
    const c = await post(form.dataset.prove, v);
    hide(form, 'proof', JSON.stringify(await signs(c.options)));
    hide(form, 'nonce', c.nonce);
    if (submitter && submitter.name) hide(form, submitter.name, submitter.value);
    form.submit(); // no event comes of it
  };
  const addKey = async (form) => {
    let c = await post(base + '/api/keys/challenge', {});
    if (c.confirm) c = await post(base + '/api/keys/challenge', { proof: { nonce: c.nonce, answer: await signs(c.options) } });
    await post(base + '/api/keys', { nonce: c.nonce, name: $('[name=name]', form).value, answer: await makes(c.options) });
    location.reload();
  };
  const byKey = (form, submitter) => {
    if (form.id === 'newkey') return addKey(form);
    const verdict = form.dataset.prove && fields(form, submitter).get('verdict');
    return verdict === 'approve' || verdict === 'answer' ? prove(form, submitter) : null;
  };
  // A form is sent once.
  addEventListener('submit', (e) => {
    if (e.submitter && e.submitter.formMethod === 'dialog') { e.preventDefault(); return; }
    if (e.target.method !== 'post') return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = '1';
    const asks = byKey(e.target, e.submitter);
    if (asks) {
      e.preventDefault();
      asks.catch((why) => { delete e.target.dataset.sent; complain(e.target, why); });
    }
    addEventListener('pageshow', () => { delete e.target.dataset.sent; });
  });
  $('#notice')?.focus();
})();
