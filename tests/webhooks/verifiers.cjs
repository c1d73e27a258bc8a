// Reads lines of JSON, each a delivery as it was received, and says of each which verifier takes it.
// The first verifier is the one that is printed in the reference; the second is npm's `standardwebhooks`, if it is there.
const crypto = require('crypto')
const readline = require('readline')

function verifyWebhookSignature(payload, signature, secret, timestamp) {
  // Protect against replay attacks (reject if older than 5 minutes)
  const timestampAge = Math.floor(Date.now() / 1000) - parseInt(timestamp, 10)
  if (timestampAge > 300) {
    return false
  }
  // Compute expected signature
  const signedPayload = `${timestamp}.${payload}`
  const expectedSignature = 'sha256=' + crypto.createHmac('sha256', secret).update(signedPayload).digest('hex')
  // Constant-time comparison to prevent timing attacks
  return crypto.timingSafeEqual(Buffer.from(expectedSignature), Buffer.from(signature))
}

let standard = null
try {
  standard = require(process.argv[2])
} catch {
  standard = null
}

function reference({ secret, headers, body }) {
  return verifyWebhookSignature(body, headers['X-Interactor-Signature'], secret, headers['X-Interactor-Timestamp'])
}

function library({ secret, raw, headers, body }) {
  if (standard === null) return null
  const webhook = raw ? new standard.Webhook(secret, { format: 'raw' }) : new standard.Webhook(secret)
  try {
    webhook.verify(body, headers)
    return true
  } catch {
    return false
  }
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const given = JSON.parse(line)
  console.log(JSON.stringify({ reference: reference(given), library: library(given) }))
})
