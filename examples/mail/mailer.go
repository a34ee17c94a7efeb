package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"time"

	"github.com/duvotool/duvotool/adapters/notify"
)

// A mailer sends notices by SMTP.
type mailer struct {
	addr           string // of the server, with its port
	user, password string // empty: it wants none
	from, to       string
}

// send sends one mail, within the context.
func (m mailer) send(ctx context.Context, n notify.Notice) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	host, _, _ := net.SplitHostPort(m.addr)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(&tls.Config{ServerName: host}); err != nil {
			return err
		}
	}
	if m.user != "" {
		if err := c.Auth(smtp.PlainAuth("", m.user, m.password, host)); err != nil { // refuses without TLS
			return err
		}
	}
	if err := c.Mail(m.from); err != nil {
		return err
	}
	if err := c.Rcpt(m.to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.message(n)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // it has the mail already
	return nil
}

// message is the mail. What a Job has written gets into the subject and the text alone,
// and there as text; the ID is the same if it is sent twice.
func (m mailer) message(n notify.Notice) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@duvotool>\r\n", m.from, m.to,
		mime.QEncoding.Encode("utf-8", n.Subject()), time.Now().Format(time.RFC1123Z), n.Request.Digest())
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\nAuto-Submitted: auto-generated\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(n.Text())) // to memory
	_ = w.Close()
	return b.Bytes()
}
