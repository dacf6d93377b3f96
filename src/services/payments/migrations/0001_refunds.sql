CREATE TABLE "payments"."refund_keys" (
	"idempotency_key" text PRIMARY KEY NOT NULL,
	"refund_id" uuid NOT NULL,
	"order_id" uuid NOT NULL,
	"amount_minor" bigint,
	"currency" text,
	"refunded_at" timestamp (3) with time zone NOT NULL
);
