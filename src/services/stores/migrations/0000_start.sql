CREATE SCHEMA IF NOT EXISTS "stores";
--> statement-breakpoint
CREATE TABLE "stores"."fences" (
	"task_id" text PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "stores"."inbox" (
	"message_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"handled_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "stores"."outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"message_id" text NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"correlation_id" text NOT NULL,
	"causation_id" text NOT NULL,
	"traceparent" text NOT NULL,
	"task_id" text,
	"fence" bigint,
	"body" "bytea" NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"published_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "stores"."parked" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"message_id" text NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"correlation_id" text NOT NULL,
	"causation_id" text NOT NULL,
	"traceparent" text NOT NULL,
	"task_id" text,
	"fence" bigint,
	"body" "bytea" NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"source" text NOT NULL,
	"reason" text NOT NULL,
	"attempts" integer NOT NULL,
	"parked_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "stores"."picks" (
	"task_id" uuid NOT NULL,
	"fence" bigint NOT NULL,
	"line_id" text NOT NULL,
	"product_id" uuid NOT NULL,
	"order_id" uuid NOT NULL,
	"picked" integer NOT NULL,
	"short" integer NOT NULL,
	"put_back" boolean DEFAULT false NOT NULL,
	CONSTRAINT "picks_task_id_fence_line_id_pk" PRIMARY KEY("task_id","fence","line_id")
);
--> statement-breakpoint
CREATE TABLE "stores"."products" (
	"product_id" uuid PRIMARY KEY NOT NULL,
	"store_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"name" text NOT NULL,
	"price_minor" bigint NOT NULL,
	"currency" text NOT NULL,
	"stock" bigint NOT NULL,
	"removed" boolean NOT NULL,
	"version" bigint NOT NULL,
	"added_price_minor" bigint NOT NULL,
	"added_stock" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "stores"."stores" (
	"store_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"x" double precision NOT NULL,
	"y" double precision NOT NULL,
	"participating" boolean NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "stores"."products" ADD CONSTRAINT "products_store_id_stores_store_id_fk" FOREIGN KEY ("store_id") REFERENCES "stores"."stores"("store_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "inbox_handled_at" ON "stores"."inbox" USING btree ("handled_at");--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "stores"."outbox" USING btree ("id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "outbox_published" ON "stores"."outbox" USING btree ("published_at") WHERE published_at is not null;--> statement-breakpoint
CREATE INDEX "parked_by_key" ON "stores"."parked" USING btree ("key","id");--> statement-breakpoint
CREATE UNIQUE INDEX "products_by_sku" ON "stores"."products" USING btree ("store_id","sku") WHERE not removed;