package duvo

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
)

// Fingerprint returns 16 hexadecimal characters that stand for the base URL and
// the credential: the same for two clients that have both in common. An
// Idempotency-Key counts for one credential only, so whoever stores a key stores
// this with it, to know later whether the key can be used again.
//
// It reveals nothing of a credential that cannot be guessed, and can be stored
// and logged. Of a token source, whose tokens change, it tells that there is
// one, not which: the clients of two sources at one base URL have the same.
func (c *Client) Fingerprint() string {
	c.fingerprint.Do(func() { c.fingerprint.text = c.computeFingerprint() })
	return c.fingerprint.text
}

func (c *Client) computeFingerprint() string {
	kind, credential := "token source", ""
	if c.cfg.apiKey != nil {
		kind, credential = "api key", c.cfg.apiKey()
	}
	base := *c.base
	base.Host = strings.ToLower(base.Host)
	h := sha256.New()
	for _, part := range []string{"duvotool: fingerprint of a credential, 1", base.String(), kind, credential} {
		// Each with its length, so that no two lists of parts look the same.
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		_, _ = io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
