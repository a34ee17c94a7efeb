package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/safetext"
)

// A journalKey encrypts records and makes their names.
type journalKey struct {
	seal cipher.AEAD
	name []byte
}

// NewJournalKey makes the key of a journal of 32 random bytes.
func NewJournalKey(key []byte) (journalKey, error) {
	switch text := strings.TrimSpace(string(key)); {
	case len(key) != 32 && (len(text) == 64 || len(text) == 43 || len(text) == 44):
		return journalKey{}, fmt.Errorf("the key has %d bytes; it must have 32: if it is written in hexadecimal or base64, decode it", len(key))
	case len(key) != 32:
		return journalKey{}, fmt.Errorf("the key has %s; it must have 32", safetext.Count(len(key), "byte", "bytes"))
	case bytes.Count(key, []byte{0}) == len(key):
		return journalKey{}, errors.New("the key has nothing but zeros: it was never set")
	}
	derive := func(use string) []byte { return digest.MAC(key, []byte("duvotool journal "+use)) }
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return journalKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return journalKey{aead, derive("name")}, err
}

func (k journalKey) opens(bound, data []byte) bool {
	_, err := k.seal.Open(nil, nil, data, bound)
	return err == nil
}
