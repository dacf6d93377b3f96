CREATE SCHEMA IF NOT EXISTS "depot";
--> statement-breakpoint
CREATE TABLE "depot"."bays" (
	"number" integer PRIMARY KEY NOT NULL,
	"order_id" uuid,
	"since" timestamp (3) with time zone,
	CONSTRAINT "bays_order_id_unique" UNIQUE("order_id")
);
--> statement-breakpoint
CREATE TABLE "depot"."fences" (
	"task_id" text PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "depot"."inbox" (
	"message_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"handled_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "depot"."lines" (
	"order_id" uuid NOT NULL,
	"line_id" text NOT NULL,
	"place" integer NOT NULL,
	"stop" integer NOT NULL,
	"store_id" uuid NOT NULL,
	"product_id" uuid NOT NULL,
	"sku" text NOT NULL,
	"name" text NOT NULL,
	"quantity" integer NOT NULL,
	"picked" integer NOT NULL,
	"short" integer NOT NULL,
	CONSTRAINT "lines_order_id_line_id_pk" PRIMARY KEY("order_id","line_id")
);
--> statement-breakpoint
CREATE TABLE "depot"."lists" (
	"order_id" uuid PRIMARY KEY NOT NULL,
	"task_id" uuid,
	"state" text NOT NULL,
	"bot_id" text NOT NULL,
	"route_metres" double precision NOT NULL,
	"reason" text NOT NULL,
	"waiting_since" timestamp (3) with time zone,
	CONSTRAINT "lists_task_id_unique" UNIQUE("task_id")
);
--> statement-breakpoint
CREATE TABLE "depot"."outbox" (
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
CREATE TABLE "depot"."parked" (
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
CREATE TABLE "depot"."products" (
	"product_id" uuid PRIMARY KEY NOT NULL,
	"store_id" uuid,
	"removed" boolean NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "depot"."stores" (
	"store_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"x" double precision NOT NULL,
	"y" double precision NOT NULL,
	"participating" boolean NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "depot"."lines" ADD CONSTRAINT "lines_order_id_lists_order_id_fk" FOREIGN KEY ("order_id") REFERENCES "depot"."lists"("order_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "inbox_handled_at" ON "depot"."inbox" USING btree ("handled_at");--> statement-breakpoint
CREATE INDEX "lists_waiting_for_bay" ON "depot"."lists" USING btree ("waiting_since","order_id") WHERE state = 'waiting_for_bay';--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "depot"."outbox" USING btree ("id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "outbox_published" ON "depot"."outbox" USING btree ("published_at") WHERE published_at is not null;--> statement-breakpoint
CREATE INDEX "parked_by_key" ON "depot"."parked" USING btree ("key","id");