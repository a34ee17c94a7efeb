package passkey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/hitl"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Keys lists a person's passkeys.
func (k *Keys) Keys(ctx context.Context, p inbox.Person) ([]inbox.Key, error) {
	u, _, err := k.of(ctx, p.Login)
	if err != nil {
		return nil, err
	}
	var out []inbox.Key
	for _, c := range u.held {
		out = append(out, inbox.Key{ID: base64.RawURLEncoding.EncodeToString(c.ID), Name: c.Name, Added: c.Added, Used: c.Used})
	}
	return out, nil
}

// maxHeld bounds a person's passkeys.
const maxHeld = 20

// AskNew begins to add a passkey: freely where the person never had one, and else
// confirmed by one that they have, or as [Config.MayAdd] lets them.
func (k *Keys) AskNew(ctx context.Context, p inbox.Person, confirmed bool) (options, state json.RawMessage, err error) {
	u, ever, err := k.of(ctx, p.Login)
	if err != nil {
		return nil, nil, err
	}
	if len(u.held) >= maxHeld {
		return nil, nil, fmt.Errorf("%w: they have %d", inbox.ErrNoNewKey, len(u.held))
	}
	if ever && !(confirmed && len(u.held) > 0) && !(k.cfg.MayAdd != nil && k.cfg.MayAdd(ctx, p.Login)) {
		if len(u.held) > 0 {
			return nil, nil, inbox.ErrConfirm
		}
		return nil, nil, inbox.ErrNoNewKey
	}
	creation, session, err := k.web.BeginRegistration(u, webauthn.WithExclusions(u.descriptors()))
	if err != nil {
		return nil, nil, fmt.Errorf("passkey: %w", err)
	}
	if options, err = json.Marshal(creation); err != nil {
		return nil, nil, err
	}
	state, err = json.Marshal(session)
	return options, state, err
}

// TakeNew adds a passkey.
func (k *Keys) TakeNew(ctx context.Context, p inbox.Person, name string, state, answer json.RawMessage) error {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return fmt.Errorf("passkey: the device's answer cannot be read: %w", detailed(err))
	}
	made, err := k.web.CreateCredential(user{login: p.Login}, session, parsed)
	if err != nil {
		return fmt.Errorf("passkey: %w", detailed(err))
	}
	if !made.Flags.UserVerified {
		return errors.New("passkey: the device did not make sure who it is")
	}
	c := Credential{ID: made.ID, Person: hitl.PersonKey(p.Login), Login: p.Login, Name: name, PublicKey: made.PublicKey, SignCount: made.Authenticator.SignCount, Added: time.Now().UTC()}
	for _, t := range made.Transport {
		c.Transports = append(c.Transports, string(t))
	}
	if err := k.cfg.Store.Add(ctx, c); err != nil {
		return fmt.Errorf("passkey: %w", err)
	}
	return nil
}

// Remove takes a passkey away. It is kept for audits.
func (k *Keys) Remove(ctx context.Context, p inbox.Person, id string) error {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return errors.New("passkey: there is no such passkey")
	}
	if err := k.cfg.Store.Remove(ctx, hitl.PersonKey(p.Login), raw, time.Now().UTC()); err != nil {
		return fmt.Errorf("passkey: %w", err)
	}
	return nil
}
